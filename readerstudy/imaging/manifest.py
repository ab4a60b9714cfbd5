"""Manifests: what a table says of the files that are imported with it.

Two layouts: a CSV with a ``file`` column and any of the columns below, and the NIH ChestX-ray14
``Data_Entry_2017.csv`` as it is published. Columns that are not known are kept as metadata.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
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

    def __post_init__(self) -> None:
        self._by_base: dict[str, list[str]] = {}
        for name in self.rows:
            self._by_base.setdefault(PurePosixPath(name).name, []).append(name)

    def match(self, names: Iterable[str]) -> dict[str, Row]:
        """Rows by the names of files that are there: by path, else by a file name that is the
        row's only one. Rows of a plain table whose file is missing are added to ``wrong``; NIH
        tables list the whole release, so files that are not there are no fault."""
        found: dict[str, Row] = {}
        met: set[str] = set()
        for name in names:
            key = name if name in self.rows else ""
            if not key:
                for candidate in self._by_base.get(PurePosixPath(name).name, []):
                    # "images/a.png" of the table may be "pack/images/a.png" in the archive.
                    if name.endswith("/" + candidate) or "/" not in candidate:
                        key = candidate
                        break
            if key:
                found[name] = self.rows[key]
                met.add(key)
        if self.layout == "table":
            self.wrong.extend(
                WrongRow(row.line, f"file {row.file!r} is not among the files to import")
                for row in self.rows.values()
                if row.file not in met
            )
            self.wrong.sort(key=lambda wrong: wrong.line)
        return found


def parse(content: bytes) -> Manifest:
    """Read a manifest.

    Raises ``ManifestError`` when there is no table or no column that names files.
    """
    text = _text(content)
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [column.strip() for column in next(reader)]
    except (StopIteration, csv.Error):
        raise ManifestError("the manifest is empty") from None
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
    try:
        for cells in reader:
            line = reader.line_num
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
        raise ManifestError(f"line {reader.line_num}: {error}") from None
    return Manifest(rows, wrong, layout)


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
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")
