"""A vocabulary of findings from a file: a term a line, with its code where it has one.

``name, code, code_system`` as comma-, semicolon- or tab-separated text, with or without a line of
heads, as RadLex and SNOMED CT browsers and spreadsheets give it.
"""

from __future__ import annotations

import csv

from readerstudy.studies.errors import StudyError

_HEADS = {
    "name": ("name", "term", "label", "preferred name", "preferred_label", "finding"),
    "code": ("code", "id", "rid", "radlex id", "concept id", "conceptid"),
    "code_system": ("code_system", "code system", "system", "vocabulary", "terminology"),
}
_MOST = 500


def read(content: bytes) -> list[dict[str, str]]:
    """Terms as a protocol holds them. Raises ``StudyError`` naming the line that is not right."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise StudyError(f"Line {line} of the vocabulary is not UTF-8; save it so.") from error
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    mark = max("\t;,|", key=first.count)
    columns = {"name": 0, "code": 1, "code_system": 2}
    terms: list[dict[str, str]] = []
    seen: dict[str, int] = {}
    reader = csv.reader(lines, delimiter=mark, skipinitialspace=True)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if not terms and not seen and (heads := _heads(cells)):
            columns = heads
            seen[""] = reader.line_num
            continue
        term = {name: cells[at] if at < len(cells) else "" for name, at in columns.items()} | {
            name: "" for name in _HEADS if name not in columns
        }
        if not term["name"]:
            raise StudyError(f"Line {reader.line_num} of the vocabulary has no name.")
        if term["name"] in seen:
            raise StudyError(
                f"Line {reader.line_num} of the vocabulary repeats “{term['name']}” of line "
                f"{seen[term['name']]}."
            )
        seen[term["name"]] = reader.line_num
        terms.append(term)
    if not terms:
        raise StudyError("The vocabulary is empty: write a term a line, “name, code, code_system”.")
    if len(terms) > _MOST:
        raise StudyError(
            f"The vocabulary has {len(terms)} terms; nobody finds one of more than {_MOST}."
        )
    return terms


def _heads(cells: list[str]) -> dict[str, int] | None:
    lowered = [cell.lower() for cell in cells]
    found = {
        name: next(at for at, cell in enumerate(lowered) if cell in words)
        for name, words in _HEADS.items()
        if any(cell in words for cell in lowered)
    }
    return found if "name" in found else None
