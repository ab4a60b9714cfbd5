"""Manifests: what a table says of the files that are imported with it.

Two layouts: a CSV with a ``file`` column and any of the columns below, and the NIH ChestX-ray14
``Data_Entry_2017.csv`` as it is published. Columns that are not known are kept as metadata.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

_ALIASES = {
    "file": ("file", "filename", "file_name", "path", "image", "image_index"),
    "patient": ("patient", "patient_id", "patient_key", "subject", "subject_id"),
    "labels": ("labels", "label", "finding_labels", "findings"),
    "view": ("view", "view_position", "projection"),
    "sex": ("sex", "gender", "patient_sex", "patient_gender"),
    "age": ("age", "age_years", "patient_age"),
    "origin": ("origin",),
    "generator": ("generator", "generator_name", "model"),
    "split": ("split", "fold", "subset"),
}
_COLUMN = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}
_ORIGINS = {
    "": "", "acquired": "acquired", "real": "acquired",
    "generated": "generated", "synthetic": "generated", "fake": "generated",
}  # fmt: skip
_SEXES = {"": "", "F": "F", "FEMALE": "F", "M": "M", "MALE": "M", "O": "O", "OTHER": "O", "U": ""}
_FRONTAL = {"PA": "PA", "AP": "AP", "": "", "UNKNOWN": "", "FRONTAL": ""}
_LATERAL = {"L", "LL", "RL", "LAT", "LATERAL"}
OLDEST = 120


class ManifestError(Exception):
    """A manifest that cannot be used at all."""


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A row that does not say what it should."""

    line: int
    message: str
    file: str = ""

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


@dataclass(slots=True)
class Row:
    """What a manifest says of one file."""

    file: str
    line: int
    patient: str = ""
    labels: list[str] = field(default_factory=list)
    view: str = ""
    sex: str = ""
    age: int | None = None
    origin: str = ""
    generator: str = ""
    split: str = ""
    spacing_of_width: tuple[float, int] | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Manifest:
    """Rows by file, and the rows that are wrong."""

    rows: dict[str, Row]
    wrong: list[WrongRow]
    layout: str  # "table" or "nih"

    def match(self, names: Iterable[str]) -> dict[str, Row]:
        """Rows by the names of files that are there.

        A row is its file's when the path is the same, or when the file's path ends in the row's
        ("images/a.png" of the table is "pack/images/a.png" of an archive). A row's path may also
        begin above the folder that is imported ("D:\\study\\a.png"), where it is absolute or no
        row of the table fits otherwise. Letters count alike however Unicode composes them, and in
        capitals or not. Rows of a plain table whose file is missing, or that fit several files,
        are added to ``wrong``; NIH tables list the whole release, and a film may be there in two
        sizes, so neither is a fault of theirs.
        """
        there = list(names)
        found: dict[str, Row] = {name: self.rows[name] for name in there if name in self.rows}
        met = {row.file for row in found.values()}
        ends = _Ends(row for row in self.rows.values() if row.file not in met)
        left = [name for name in there if name not in found]
        fits = ends.fitting(left)
        if not found and not fits:
            fits = ends.fitting(left, above=True)
        for file, several in fits.items():
            # The same path but for capitals or accents beats one that only ends alike.
            same = [name for name in several if _key(name) == _key(file)] or several
            met.add(file)
            if len(same) > 1 and self.layout == "table":
                self.wrong.append(
                    WrongRow(
                        self.rows[file].line,
                        f"file {file!r} fits {len(same)} files, {same[0]!r} and {same[1]!r} among "
                        "them: write the folder too",
                        file,
                    )
                )
                continue
            found.update(dict.fromkeys(same, self.rows[file]))
        if self.layout == "table":
            self.wrong.extend(
                WrongRow(row.line, f"file {row.file!r} is not among the files to import")
                for row in self.rows.values()
                if row.file not in met
            )
            self.wrong.sort(key=lambda wrong: wrong.line)
        return found

    def told_wrongly(self, names: Iterable[str]) -> set[str]:
        """The files that a wrong row speaks of: not to be imported as if nothing had been said."""
        ends = _Ends(Row(wrong.file, wrong.line) for wrong in self.wrong if wrong.file)
        return {name for name in names if ends.longest(name)}


class _Ends:
    """Rows by their paths, found for files whose path ends in theirs."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._whole: dict[str, list[Row]] = {}
        self._ends: dict[str, list[Row]] = {}
        self._absolute: set[str] = set()
        for row in rows:
            key = _key(row.file)
            self._whole.setdefault(key, []).append(row)
            if re.match(r"([A-Za-z]:)?/", row.file):
                self._absolute.add(row.file)
            for place in (i for i, letter in enumerate(key) if letter == "/"):
                self._ends.setdefault(key[place + 1 :], []).append(row)

    def longest(self, name: str, *, above: bool = False) -> list[Row]:
        """Rows with the longest path that ``name`` ends in; else those whose path ends in
        ``name``, of any row with ``above``, of absolute paths without."""
        key = _key(name)
        places = [-1, *(i for i, letter in enumerate(key) if letter == "/")]
        for place in places:
            if rows := self._whole.get(key[place + 1 :]):
                return rows
        return [row for row in self._ends.get(key, ()) if above or row.file in self._absolute]

    def fitting(self, names: Iterable[str], *, above: bool = False) -> dict[str, list[str]]:
        """The files that each row fits, where a file fits one row only."""
        fits: dict[str, list[str]] = {}
        for name in names:
            rows = self.longest(name, above=above)
            if len(rows) == 1:
                fits.setdefault(rows[0].file, []).append(name)
        return fits


def _key(name: str) -> str:
    """A path as it is compared: composed, without capitals or a leading slash or drive."""
    plain = unicodedata.normalize("NFC", name).casefold()
    return re.sub(r"^([a-z]:)?/+", "", plain)


def parse(content: bytes) -> Manifest:
    """Read a manifest.

    Raises ``ManifestError`` when there is no table or no column that names files.
    """
    text = _text(content)
    if "\0" in text:
        raise ManifestError("the manifest holds NUL bytes: save it as CSV (UTF-8)")
    lines = io.StringIO(text, newline="")
    before = 0
    # Excel's own first line, which names the delimiter.
    if (excel := re.match(r"\s*\"?sep=(.)\"?\r?\n", text, re.IGNORECASE)) is not None:
        lines.seek(excel.end())
        delimiter, before = excel[1], 1
    else:
        head = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").split("\n", 1)[0])
        delimiter = max(",;\t", key=head.count)
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        header = next(cells for cells in reader if any(cell.strip() for cell in cells))
    except StopIteration:
        raise ManifestError("the manifest is empty") from None
    except csv.Error as error:
        raise ManifestError(f"the manifest's first line cannot be read: {error}") from None
    header = _without_commas([column.strip() for column in header])
    layout = "nih" if {"Image Index", "Finding Labels"} <= set(header) else "table"
    columns = [_COLUMN.get(re.sub(r"[\s#]+", "_", name.lower()).strip("_"), "") for name in header]
    if "file" not in columns:
        raise ManifestError(
            f"no column names the files: call it 'file' (found: {', '.join(header) or 'nothing'})"
        )
    for name in set(columns) - {""}:
        if columns.count(name) > 1:
            twice = [title for title, column in zip(header, columns, strict=True) if column == name]
            raise ManifestError(f"columns {' and '.join(map(repr, twice))} both mean {name!r}")
    rows: dict[str, Row] = {}
    wrong: list[WrongRow] = []
    ended = reader.line_num
    try:
        for cells in reader:
            # A quoted cell may run over several lines: a row is known by its first.
            line, ended = before + ended + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            try:
                row = _row(header, columns, cells, line, lenient=layout == "nih")
            except ValueError as error:
                named = cells[columns.index("file")] if len(cells) > columns.index("file") else ""
                wrong.append(WrongRow(line, str(error), named.replace("\\", "/").strip()))
                continue
            if row.file in rows:
                first = rows[row.file].line
                wrong.append(
                    WrongRow(line, f"file {row.file!r} was listed on line {first}", row.file)
                )
                continue
            rows[row.file] = row
    except csv.Error as error:
        raise ManifestError(f"line {before + reader.line_num}: {error}") from None
    return Manifest(rows, wrong, layout)


def _without_commas(header: list[str]) -> list[str]:
    """The NIH's ``OriginalImage[Width,Height]`` is published with its comma bare, which makes it
    two columns; where somebody's software has quoted it, it is still two."""
    columns: list[str] = []
    for name in header:
        both = re.fullmatch(r"(OriginalImage\w*\[\w+),(\w+\])", name)
        columns.extend([both[1], both[2]] if both else [name])
    return columns


def _row(header: list[str], columns: list[str], cells: list[str], line: int, lenient: bool) -> Row:
    surplus = [cell for cell in cells[len(header) :] if cell.strip()]
    if surplus:
        raise ValueError(f"{len(cells)} cells under {len(header)} columns")
    if len(cells) < len([name for name in header if name]):
        raise ValueError(f"{len(cells)} cells under {len(header)} columns")
    known: dict[str, str] = {}
    metadata: dict[str, str] = {}
    for title, column, cell in zip(header, columns, cells, strict=False):
        if column:
            known[column] = cell.strip()
        elif title and cell.strip():
            metadata[title] = cell.strip()
    row = Row(file=_file(known["file"]), line=line, metadata=metadata)
    row.patient = known.get("patient", "")
    row.labels = _labels(known.get("labels", ""))
    row.generator, row.split = known.get("generator", "")[:100], known.get("split", "")[:16]
    row.view = _view(known.get("view", ""))
    row.sex = _choice("sex", known.get("sex", "").upper(), _SEXES)
    row.origin = _choice("origin", known.get("origin", "").lower(), _ORIGINS)
    if row.generator:
        # What a generator made is generated, whatever the rest of the import is.
        if row.origin == "acquired":
            raise ValueError(f"origin is acquired, yet generator {row.generator!r} is named")
        row.origin = "generated"
    try:
        row.age = _age(known.get("age", ""))
    except ValueError:
        if not lenient:
            raise
        metadata["age as published"] = known["age"]  # the release has ages up to 414
    if lenient:
        row.spacing_of_width = _nih_spacing(metadata)
    return row


def _file(text: str) -> str:
    name = text.replace("\\", "/").strip()
    while name.startswith("./"):
        name = name[2:]
    if not name:
        raise ValueError("no file is named")
    return name


def _labels(text: str) -> list[str]:
    labels = [label.strip() for label in re.split(r"[|;]", text) if label.strip()]
    for label in labels:
        if len(label) > 100:
            raise ValueError(f"label {label[:30]!r}... is longer than 100 characters")
    return list(dict.fromkeys(labels))


def _view(text: str) -> str:
    view = text.upper()
    if view in _LATERAL:
        return "LATERAL"  # refused with its file, not as a wrong row
    return _choice("view", view, _FRONTAL)


def _choice(what: str, value: str, allowed: dict[str, str]) -> str:
    if value not in allowed:
        said = ", ".join(sorted({key for key in allowed if key}))
        raise ValueError(f"{what} is {value!r}; one of {said} or nothing is expected")
    return allowed[value]


def _age(text: str) -> int | None:
    if not text:
        return None
    match = re.fullmatch(r"0*(\d+)(?:\.\d+)?\s*([DWMY])?", text.upper())
    if match:
        per_year = {"D": 365.25, "W": 52.18, "M": 12.0}.get(match[2] or "Y", 1.0)
        years = int(int(match[1]) / per_year)
        if years <= OLDEST:
            return years
    raise ValueError(f"age is {text!r}; years from 0 to {OLDEST} are expected")


def _nih_spacing(metadata: dict[str, str]) -> tuple[float, int] | None:
    """The table gives the spacing at the film's first width: the PNG is 1024 wide.

    The published header splits ``OriginalImage[Width,Height]`` and
    ``OriginalImagePixelSpacing[x,y]`` at their commas, each into two columns.
    """
    try:
        spacing = float(metadata["OriginalImagePixelSpacing[x"])
        width = int(metadata["OriginalImage[Width"])
    except (KeyError, ValueError):
        return None
    return (spacing, width) if 0.01 < spacing < 5 and width > 0 else None


def _text(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):  # Excel's "Unicode text"
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")
