"""What a command is and what it gives back."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from readerstudy.analysis.commandline.printing import Row, as_table
from readerstudy.analysis.commandline.reading import TableFault, read_table
from readerstudy.analysis.tidy import name_rows


@dataclass(frozen=True)
class Answer:
    """Rows for people, ``content`` (plain dicts) for JSON, and notes on the whole."""

    rows: list[Row]
    content: Any
    title: str = ""
    notes: tuple[str, ...] = ()
    more: str = ""

    def text(self) -> str:
        """The readable form."""
        parts = [as_table(self.rows, title=self.title)] if self.rows else [self.title]
        parts += [self.more] if self.more else []
        parts += [f"note: {note}" for note in self.notes]
        return "\n".join(part for part in parts if part)


@dataclass(frozen=True)
class Command:
    """One command: its help, its arguments, what it does."""

    name: str
    help: str
    description: str
    example: Sequence[str]
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Answer] = field(repr=False)


def add_file(
    parser: argparse.ArgumentParser, columns: Sequence[str], *, optional: bool = False
) -> None:
    """The CSV and one option a column role."""
    if optional:
        parser.add_argument("file", nargs="?", help="CSV file, or - for standard input")
    else:
        parser.add_argument("file", help="CSV file, or - for standard input")
    parser.add_argument("--delimiter", help="cell separator; found from the header otherwise")
    group = parser.add_argument_group("columns of the file")
    for role in columns:
        option = role.replace("_", "-")
        group.add_argument(f"--{option}", metavar="COLUMN", dest=f"column_{role}",
                           help=f"default: {role}")  # fmt: skip


def add_level(parser: argparse.ArgumentParser) -> None:
    """``--level``."""
    parser.add_argument("--level", type=float, default=0.95, help="confidence level (0.95)")


def by_modality(table: pd.DataFrame, make: Callable[[pd.DataFrame], Answer]) -> Answer:
    """``make`` of the whole table, or of each modality in turn where there are several."""
    if "modality" not in table.columns or table["modality"].nunique() < 2:
        return make(table)
    blank = table["modality"].isna()
    if blank.any():
        raise TableFault(f"{name_rows(table.index[blank])}: modality is missing")
    parts = {str(name): make(group.copy()) for name, group in table.groupby("modality", sort=True)}
    return Answer(
        [(f"{name}, {what}", e) for name, part in parts.items() for what, e in part.rows],
        {"modalities": {name: part.content for name, part in parts.items()}},
        next(iter(parts.values())).title + ", modality by modality",
        tuple(f"{name}: {note}" for name, part in parts.items() for note in part.notes),
    )


def load(options: argparse.Namespace) -> pd.DataFrame:
    """The table with its roles' columns named."""
    columns = {
        name.removeprefix("column_"): value
        for name, value in vars(options).items()
        if name.startswith("column_")
    }
    return read_table(options.file, columns, delimiter=options.delimiter)
