"""Tables of films: which file, whose it is, which split, and columns to filter by.

The column names of the public sets are known: NIH ChestX-ray14 (``Image Index``, ``Patient ID``),
CheXpert (``Path``), MIMIC-CXR (``subject_id``, ``split``) and plain ``file``, ``patient_id``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from synthesis.pggan.config import ConfigError

FILE = ("file", "path", "image", "filename", "image_path", "file_path", "image_index")
PATIENT = ("patient_id", "patient", "patientid", "subject_id", "subject")
SPLIT = ("split", "subset", "set")
TRAIN_WORDS = frozenset({"train", "training"})
HELD_OUT_WORDS = frozenset(
    {"held_out", "heldout", "val", "valid", "validate", "validation", "test", "dev", "holdout"}
)


class DataError(ConfigError):
    """Training data that cannot be used; the message names the file, the rule and the way out."""


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    number: int  # as an editor shows it, the header being 1
    file: str
    patient: str
    split: str  # train, held_out or empty
    fields: Mapping[str, str]


def _plain(column: str) -> str:
    return column.strip().lower().replace(" ", "_").replace("-", "_")


def read_manifest(text: str, name: str) -> list[Row]:
    """Rows of a CSV, TSV or, by ``name``, JSON-lines table.

    Raises:
        DataError: when a row names no file, or a split that is none.
    """
    return [_row(number, values, name) for number, values in _tables(text, name)]


def _tables(text: str, name: str) -> Iterable[tuple[int, Mapping[str, object]]]:
    if not name.lower().endswith(".jsonl"):
        comma = "\t" if "\t" in text.partition("\n")[0] else ","
        reader = csv.DictReader(io.StringIO(text), delimiter=comma)
        yield from ((reader.line_num, row) for row in reader)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{name}, line {number}: no JSON ({error})") from error
        if not isinstance(value, dict):
            raise DataError(f"{name}, line {number}: an object is expected, as {{...}}")
        yield number, value


def _row(number: int, values: Mapping[str, object], name: str) -> Row:
    fields = {str(k): "" if v is None else str(v) for k, v in values.items() if k}
    plain = {_plain(k): v.strip() for k, v in fields.items()}

    def first(names: tuple[str, ...]) -> str:
        return next((plain[n] for n in names if plain.get(n)), "")

    file = first(FILE)
    if not file:
        raise DataError(
            f"{name}, row {number}: a column 'file' or 'path' with a value is needed; found "
            f"{', '.join(fields)}"
        )
    return Row(number, file, first(PATIENT), _split(first(SPLIT), number, name), fields)


def _split(word: str, number: int, name: str) -> str:
    plain = _plain(word)
    if plain in TRAIN_WORDS or not plain:
        return "train" if plain else ""
    if plain in HELD_OUT_WORDS:
        return "held_out"
    raise DataError(
        f"{name}, row {number}: split {word!r}; train, held_out, validation or test expected"
    )
