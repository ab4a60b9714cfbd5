"""Arguments in, a table or JSON out, faults told by their line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from readerstudy.analysis.commandline import (
    detecting,
    examples,
    localising,
    planning,
    rates,
    reporting,
    several_readers,
)
from readerstudy.analysis.commandline.answer import Answer, Command
from readerstudy.analysis.commandline.printing import as_json
from readerstudy.analysis.commandline.reading import TableFault, in_lines

COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        *rates.COMMANDS,
        *detecting.COMMANDS,
        *several_readers.COMMANDS,
        *localising.COMMANDS,
        *planning.COMMANDS,
        *reporting.COMMANDS,
    )
}

EPILOG = """\
Tables are tidy CSV: a header, then one line a reading. Default column names: reader, case,
modality, truth, rating, judgment; each can be changed by an option of that name.

  $ python -m readerstudy.analysis example judgments > judgments.csv
  $ python -m readerstudy.analysis realism judgments.csv --margin 0.15
  $ python -m readerstudy.analysis example plan > plan.yaml
  $ python -m readerstudy.analysis judgments.csv --plan plan.yaml

`COMMAND --help` shows a worked example of each."""


def build_parser() -> argparse.ArgumentParser:
    """The parser with one subparser a command."""
    parser = argparse.ArgumentParser(
        prog="python -m readerstudy.analysis",
        description="Reader-study statistics for tidy tables.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS.values():
        sub = subparsers.add_parser(
            command.name,
            help=command.help,
            description=command.description,
            epilog="example:\n" + "\n".join(f"  $ {line}" for line in command.example),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_arguments(sub)
        sub.add_argument("--json", action="store_true", help="every number at full precision")
    sample = subparsers.add_parser("example", help="print a small made-up table or plan")
    sample.add_argument("kind", choices=[*examples.TABLES, "plan"])
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run one command; 0 when it answered, 2 when the arguments or the table are at fault."""
    given = list(arguments)
    if given and given[0] not in COMMANDS and given[0] != "example" and _is_table(given[0]):
        given.insert(0, "report")  # python -m readerstudy.analysis TABLE.csv --plan PLAN.yaml
    options = build_parser().parse_args(given)
    try:
        if options.command == "example":
            sys.stdout.write(examples.example(options.kind))
            return 0
        if getattr(options, "seed", 0) < 0:
            raise TableFault(f"--seed must not be negative, got {options.seed}")
        answer = COMMANDS[options.command].run(options)
        text = as_json(_envelope(options, answer)) if options.json else answer.text()
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except (ValueError, ArithmeticError) as fault:
        told = in_lines(str(fault))
        paths = [getattr(options, name, None) for name in ("file", "plan", "lesions_file")]
        own = any(told.startswith(f"{path}: ") for path in (*paths, "standard input") if path)
        prefix = f"{paths[0]}: " if paths[0] and not own else ""
        sys.stderr.write(f"error: {prefix}{told}\n")
        return 2
    except BrokenPipeError:
        # The reader of our output has gone; leave quietly, as `| head` expects.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _is_table(name: str) -> bool:
    return not name.startswith("-") and (Path(name).suffix != "" or Path(name).exists())


def _envelope(options: argparse.Namespace, answer: Answer) -> dict[str, object]:
    return {
        "command": options.command,
        "file": getattr(options, "file", None),
        "results": answer.content,
        "notes": list(answer.notes),
    }
