"""A tidy CSV as a table whose index is the file's line numbers, so that faults name lines."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import pandas as pd

from readerstudy.analysis.tidy import POSITIVE_WORDS, name_rows

MISSING = {"", "na", "nan", "n/a", "null", "none", "."}
"""What an empty cell may look like, in any case."""

IDENTIFIERS = {"reader", "case", "modality", "generator", "labels", "repeat_of", "origin"}
"""Columns that stay words even where every entry is a number."""


class TableFault(ValueError):
    """A fault of the file, to be told without a traceback."""


def read_table(
    path: str, columns: Mapping[str, str | None], *, delimiter: str | None = None
) -> pd.DataFrame:
    """The CSV at ``path`` (``-`` is standard input) with the roles' columns under their own names.

    ``columns`` maps a role (``reader``, ``rating`` ...) to the file's column for it; None keeps the
    role's own name. Index: the line of the file that a row starts on. Numbers become numbers where
    a whole column is numeric. Raises :class:`TableFault` for a file that cannot be read, a ragged
    line, or two columns for one role.
    """
    if path == "-":
        return _parse(sys.stdin, "standard input", columns, delimiter)
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            return _parse(stream, path, columns, delimiter)
    except FileNotFoundError:
        raise TableFault(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise TableFault(f"{path}: is a folder, not a CSV file") from None
    except UnicodeDecodeError as fault:
        raise TableFault(f"{path}: not UTF-8 text ({fault.reason}); save it as UTF-8") from None


def _parse(
    stream: TextIO, path: str, columns: Mapping[str, str | None], delimiter: str | None
) -> pd.DataFrame:
    text = stream.readline()
    if not text.strip():
        raise TableFault(f"{path}: line 1: no header; the first line names the columns")
    split = delimiter or max(",;\t", key=text.count)
    header = [name.strip() for name in next(csv.reader([text], delimiter=split))]
    doubled = {name for name in header if header.count(name) > 1}
    if doubled:
        raise TableFault(f"{path}: line 1: two columns are called {sorted(doubled)[0]!r}")
    rows: list[list[str | None]] = []
    lines: list[int] = []
    reader = csv.reader(stream, delimiter=split, strict=True)
    start = 2
    try:
        for cells in reader:
            line, start = start, reader.line_num + 2
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue
            if len(cells) != len(header):
                raise TableFault(
                    f"{path}: line {line}: {len(cells)} cells under {len(header)} columns"
                )
            rows.append([_cell(cell) for cell in cells])
            lines.append(line)
    except csv.Error as fault:
        raise TableFault(f"{path}: line {start}: {fault}") from None
    if not rows:
        raise TableFault(f"{path}: a header and no readings")
    table = pd.DataFrame(rows, columns=header, index=pd.Index(lines, name="line"), dtype=object)
    renamed = _renamed(table, columns, path)
    for column in renamed.columns:
        if column not in IDENTIFIERS:
            renamed[column] = _numbers(renamed[column], comma=split != ",")
    return renamed


def _cell(cell: str) -> str | None:
    word = cell.strip()
    return None if word.lower() in MISSING else word


def _renamed(table: pd.DataFrame, columns: Mapping[str, str | None], path: str) -> pd.DataFrame:
    wanted = {name: role for role, name in columns.items() if name is not None}
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise TableFault(
            f"{path}: line 1: no column {absent[0]!r}; the columns are {', '.join(table.columns)}"
        )
    # A column of the role's own name makes way for the one that was asked for.
    ousted = [role for name, role in wanted.items() if name != role and role in table.columns]
    return table.drop(columns=[o for o in ousted if o not in wanted]).rename(columns=wanted)


def _numbers(column: pd.Series, *, comma: bool = False) -> pd.Series:
    """Numbers where every entry is one; ``comma``: 3,5 is one too (no comma parts the cells)."""
    if comma:
        tried = column.where(
            column.isna(),
            column.astype("string").str.replace(r"^([+-]?\d+),(\d+)$", r"\1.\2", regex=True),
        )
        return _numbers(tried) if pd.api.types.is_numeric_dtype(_numbers(tried)) else column
    values = pd.to_numeric(column, errors="coerce")
    return values if bool((values.notna() | column.isna()).all()) else column


def need(table: pd.DataFrame, roles: Sequence[str], path: str) -> None:
    """Raise for roles without a column, naming the option that would give one."""
    absent = [role for role in roles if role not in table.columns]
    if absent:
        options = ", ".join(f"--{role.replace('_', '-')} COLUMN" for role in absent)
        raise TableFault(
            f"{path}: line 1: no column {', '.join(map(repr, absent))}; the columns are "
            f"{', '.join(map(str, table.columns))}; name yours with {options}"
        )


def in_lines(message: str) -> str:
    """The library speaks of rows; a file has lines."""
    return re.sub(r"\brow(s?) (?=[\d])", r"line\1 ", message)


def two_words(
    table: pd.DataFrame, role: str, yes: str, no: str, chosen: str | None = None
) -> pd.Series:
    """The column as the two words ``yes`` and ``no`` (missing stays missing).

    ``chosen`` is the file's label for ``yes`` (everything else is then ``no``, if it is one other
    label); without it 0/1 and the usual words are understood, and others are named by line.
    """
    from readerstudy.analysis.tidy import binary

    raw = table[role]
    if chosen is not None and not raw.dropna().astype(str).eq(str(chosen)).any():
        shown = ", ".join(sorted({str(label) for label in raw.dropna()})[:6])
        raise TableFault(f"no {role} is {chosen!r}; the labels are {shown}")
    if chosen is None:
        words = raw.astype(str).str.strip().str.lower()
        strange = raw.notna() & ~words.isin(POSITIVE_WORDS | _negative_words())
        if strange.any():
            raise TableFault(
                f"{name_rows(table.index[strange])}: {role} {raw[strange].iloc[0]!r} is unknown; "
                f"use {yes} and {no} (or 1 and 0), or name your label for {yes} by an option"
            )
    values = binary(table, role, positive=chosen)
    return values.map({1.0: yes, 0.0: no})


def _negative_words() -> set[str]:
    from readerstudy.analysis.tidy import NEGATIVE_WORDS

    return NEGATIVE_WORDS
