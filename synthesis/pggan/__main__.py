"""``python -m synthesis.pggan train | sample | inspect``"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from synthesis.pggan import command_train


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main = argparse.ArgumentParser(prog="python -m synthesis.pggan", description=__doc__)
    commands = main.add_subparsers(dest="command", required=True)
    command_train.add(commands)
    from synthesis.pggan import command_sample

    command_sample.add(commands)
    return main


def run(arguments: list[str] | None = None) -> int:
    """Run a command; 0, or 1 with the error on standard error."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        return code
    except (ValueError, RuntimeError, OSError) as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(run())
