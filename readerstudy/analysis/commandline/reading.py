"""A tidy CSV as a table whose index is the file's line numbers, so that faults name lines."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from readerstudy.analysis.tidy import NEGATIVE_WORDS, POSITIVE_WORDS, name_rows, shown

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
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except FileNotFoundError:
        raise TableFault(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise TableFault(f"{path}: is a folder, not a CSV file") from None
    except OSError as fault:
        raise TableFault(f"{path}: cannot be read ({fault.strerror})") from None
    name = "standard input" if path == "-" else path
    return _parse(_decoded(data, name), name, columns, delimiter)


def _decoded(data: bytes, path: str) -> str:
    """UTF-8 with or without its mark, or the UTF-16 that Excel calls Unicode text."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        raise TableFault(
            f"{path}: line {line}: not UTF-8 text ({fault.reason}); save it as UTF-8"
        ) from None


def _parse(
    text: str, path: str, columns: Mapping[str, str | None], delimiter: str | None
) -> pd.DataFrame:
    named, skipped = _delimiter_line(text)
    blank = re.match(r"(?:[ \t]*(?:\r\n|\r|\n))*", text[skipped:])
    skipped += blank.end() if blank else 0
    before = len(text[:skipped].splitlines())
    body = text[skipped:]
    first = body.splitlines()[0] if body.strip() else ""
    if not first.strip():
        raise TableFault(f"{path}: line 1: no header; the first line names the columns")
    if delimiter is not None and len(delimiter) != 1:
        raise TableFault(f"the delimiter must be one character, got {delimiter!r}")
    split = delimiter or named or max(",;\t|", key=first.count)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=split, strict=True)
    header: list[str] = []
    rows: list[list[str | None]] = []
    lines: list[int] = []
    start = before + 1
    try:
        for cells in reader:
            line, start = start, before + reader.line_num + 1
            if not header:
                header = _header(cells, path, line)
                continue
            if not any(cell.strip() for cell in cells):
                continue  # a blank line, or one of separators only, as spreadsheets leave them
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
            renamed[column] = _numbers(renamed[column], decimal_comma=split != ",")
    return renamed


def _delimiter_line(text: str) -> tuple[str | None, int]:
    """The separator that Excel's first line ``sep=;`` names, and how much text that line takes."""
    found = re.match(r'"?sep=(.)"?[ \t]*(?:\r\n|\r|\n)', text, flags=re.IGNORECASE)
    return (found.group(1), found.end()) if found else (None, 0)


def _header(cells: list[str], path: str, line: int) -> list[str]:
    header = [name.strip() for name in cells]
    if "" in header:
        raise TableFault(f"{path}: line {line}: column {header.index('') + 1} has no name")
    doubled = {name for name in header if header.count(name) > 1}
    if doubled:
        shown = sorted(doubled)[0]
        raise TableFault(f"{path}: line {line}: two columns are called {shown!r}")
    return header


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


def _numbers(column: pd.Series, *, decimal_comma: bool) -> pd.Series:
    """Numbers where every entry is one; ``0,5`` is one where the comma separates no cells."""
    cells = column
    if decimal_comma:
        written = column.astype("string")
        if written.str.fullmatch(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?").any():
            cells = written.str.replace(",", ".", regex=False).astype(object)
    values = pd.to_numeric(cells, errors="coerce")
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


def word(value: object) -> str:
    """A label as words are compared: 1, 1.0 and "1" alike, without regard to case."""
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return text.strip().lower()


def two_words(
    table: pd.DataFrame, role: str, yes: str, no: str, chosen: str | None = None
) -> pd.Series:
    """The column as the two words ``yes`` and ``no`` (missing stays missing).

    ``chosen`` is the file's label for ``yes`` (everything else is then ``no``, if it is one other
    label); without it 0/1 and the usual words are understood, and others are named by line.
    """
    raw = table[role]
    known = raw.notna()
    words = raw.map(word, na_action="ignore")
    if chosen is None:
        is_yes, is_no = words.isin(POSITIVE_WORDS), words.isin(NEGATIVE_WORDS)
        strange = known & ~is_yes & ~is_no
        if strange.any():
            raise TableFault(
                f"{name_rows(table.index[strange])}: {role} {shown(raw[strange].iloc[0])} is "
                f"unknown; use {yes} and {no} (or 1 and 0), or name your label for {yes} with "
                f"--{yes}"
            )
    else:
        is_yes = words.eq(word(chosen)) & known
        labels = sorted({str(label) for label in raw[known]})
        if not is_yes.any():
            raise TableFault(f"no {role} is {chosen!r}; the labels are {', '.join(labels[:6])}")
        others = sorted(set(words[known & ~is_yes]))
        if len(others) > 1:
            strange = words.eq(others[1])
            raise TableFault(
                f"{name_rows(table.index[strange])}: {role} has more than two labels "
                f"({', '.join(labels[:6])})"
            )
    return pd.Series(np.where(is_yes, yes, no), index=table.index, dtype=object).where(known)
