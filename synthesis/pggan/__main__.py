"""``python -m synthesis.pggan train | sample | walk | nearest | bench | inspect | convert``"""

from __future__ import annotations

import argparse
import errno
import sys

from synthesis.pggan import command_sample, command_tools, command_train


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = argparse.ArgumentParser(prog="python -m synthesis.pggan", description=__doc__)
    commands = main.add_subparsers(dest="command", required=True)
    command_train.add(commands)
    command_sample.add(commands)
    command_tools.add(commands)
    return main


def run(arguments: list[str] | None = None) -> int:
    """Run a command; 0, or 1 with the error on standard error."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        return code
    except (ValueError, RuntimeError, OSError) as error:
        words = str(error)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            words += (
                ": the disk that is written to is full; make room or name a folder on another "
                "disk, then give the same command again: what was finished is kept"
            )
        sys.stderr.write(f"synthesis.pggan: {words}\n")
        return 1


if __name__ == "__main__":
    sys.exit(run())
