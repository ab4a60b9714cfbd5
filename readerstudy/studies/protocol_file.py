"""A study as one YAML file: exact both ways, with errors that name the line.

The file holds ``title``, ``question``, ``seed`` and every setting of the protocol. People, drawn
cases and readings are no part of it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError

from readerstudy.studies.errors import StudyError
from readerstudy.studies.models import Study
from readerstudy.studies.protocol import Protocol

VERSION = 1
_LONGEST = 2_000_000
_DEEPEST = 20
_MOST_FAULTS = 100
_PLAIN_TAGS = {"str", "int", "float", "bool", "null"}
# What pydantic says in the words of programmers.
_WORDS = {
    "model_type": "this name holds settings of its own: write them indented below it",
    "list_type": "this is a list: write its entries below it, each after a dash",
    "int_parsing": "this is no whole number",
    "int_from_float": "this is no whole number",
    "int_type": "this is no whole number",
    "float_parsing": "this is no number",
    "float_type": "this is no number",
    "finite_number": "this is no finite number",
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "string_type": "this is no text",
}


class StudyFile(Protocol):
    """What a protocol file holds."""

    readerstudy: int = Field(VERSION, ge=1, le=VERSION, description="Version of the file format.")
    title: str = Field(min_length=1, max_length=200)
    question: str = ""
    seed: int | None = Field(
        None, ge=0, lt=2**63, description="Of every random draw; left out, one is drawn."
    )

    def protocol(self) -> Protocol:
        data = self.model_dump(mode="json")
        return Protocol.model_validate({name: data[name] for name in Protocol.model_fields})


@dataclass(frozen=True, slots=True)
class FileFault:
    """One thing wrong with a file, and where. Lines count from 1."""

    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", {self.path}" if self.path else "")
        return f"{where}: {self.message}"


class FileNotValid(StudyError):
    """The file is no protocol; ``faults`` says where and why, in the order of the lines."""

    def __init__(self, faults: list[FileFault]) -> None:
        self.faults = sorted(faults, key=lambda fault: (fault.line, fault.column))
        super().__init__("\n".join(map(str, self.faults)))


def decoded(content: bytes) -> str:
    """A file's bytes as text. Raises ``FileNotValid`` naming the line that is not UTF-8."""
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        said = f"the byte {content[error.start]:#04x} is not UTF-8; save the file in that encoding"
        raise FileNotValid([FileFault(line, 1, "", said)]) from error


def parse(text: str) -> StudyFile:
    """The protocol in a file. Raises ``FileNotValid`` with every fault and its line.

    Only plain YAML is read: no tags, no anchors (a file of aliases can grow without bound), no key
    twice.
    """
    if len(text) > _LONGEST:
        raise FileNotValid([FileFault(1, 1, "", "the file is too large for a protocol")])
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise FileNotValid(
            [FileFault(line, column, "", f"this is not YAML: {error.problem or error}")]
        ) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        said = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise FileNotValid([FileFault(line, 1, "", said)]) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise FileNotValid([FileFault(1, 1, "", f"this is not YAML: {error}")]) from error
    except RecursionError as error:
        raise FileNotValid([FileFault(1, 1, "", "the file is nested too deeply")]) from error
    if not isinstance(root, yaml.MappingNode):
        raise FileNotValid([FileFault(1, 1, "", "a protocol is a mapping; begin with “title: …”")])
    faults: list[FileFault] = []
    data = _plain(root, (), faults, set())
    if faults:
        raise FileNotValid(faults[:_MOST_FAULTS])
    try:
        return StudyFile.model_validate(data)
    except ValidationError as error:
        found = [_fault(root, one) for one in error.errors()]
        raise FileNotValid(found[:_MOST_FAULTS]) from error


def _plain(
    node: yaml.Node, path: tuple[str | int, ...], faults: list[FileFault], seen: set[int]
) -> Any:
    if id(node) in seen:
        faults.append(_at(node, path, "write this out; anchors and aliases are not read"))
        return None
    seen.add(id(node))
    if len(path) > _DEEPEST:
        faults.append(_at(node, path[:3], "no setting lies so deep"))
        return None
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                faults.append(_at(key_node, path, "the name of a setting is one plain word"))
                continue
            key = str(key_node.value)
            if key in result:
                faults.append(_at(key_node, path, f"“{key}” is set twice"))
            result[key] = _plain(value_node, (*path, key), faults, seen)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(one, (*path, n), faults, seen) for n, one in enumerate(node.value)]
    if node.tag == "tag:yaml.org,2002:timestamp":
        return node.value  # a date in a text is text
    try:
        if node.tag.removeprefix("tag:yaml.org,2002:") not in _PLAIN_TAGS:
            raise ValueError(node.tag)
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError, OverflowError):
        short = node.value if len(node.value) < 40 else f"{node.value[:20]}…"
        tag = node.tag.removeprefix("tag:yaml.org,2002:")
        faults.append(_at(node, path, f"“{short}” ({tag}) is not read; write a plain value"))
        return None


def _fault(root: yaml.Node, error: Any) -> FileFault:
    place: Sequence[str | int] = error["loc"]
    node: yaml.Node = root
    for part in place:
        found = _step(node, part)
        if found is None:
            break
        node = found
    return _at(node, tuple(place), in_words(error))


def in_words(error: Any) -> str:
    """A validation error (pydantic's ``ErrorDetails``) in words that name the way out."""
    kind, place, given = error["type"], error["loc"], error.get("input")
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(place[-1]), _settings_beside(place), 1, 0.6)
        return "there is no such setting" + (f"; did you mean “{near[0]}”?" if near else "")
    if kind == "missing":
        return "this is missing"
    message = _WORDS.get(kind, str(error["msg"]).removeprefix("Value error, ").removesuffix("."))
    if kind == "value_error":
        return message
    if isinstance(given, str | int | float | bool):
        message += f" (found {given!r})"
    if kind == "literal_error" and isinstance(given, str):
        allowed = [
            one.strip("'")
            for one in str(error["ctx"]["expected"]).replace(" or ", ", ").split(", ")
        ]
        near = difflib.get_close_matches(given, allowed, 1, 0.6)
        message += f"; did you mean “{near[0]}”?" if near else ""
    if kind == "string_type" and isinstance(given, bool):
        message += "; YAML reads yes, no, on and off as true and false: put the word into quotes"
    elif kind == "string_type" and isinstance(given, int | float):
        message += "; put the number into quotes"
    return message


def _settings_beside(place: Sequence[str | int]) -> list[str]:
    """The names of the settings that there are where ``place`` points to."""
    model: type[BaseModel] | None = StudyFile
    for part in place[:-1]:
        if isinstance(part, int):
            continue
        if model is None or part not in model.model_fields:
            return []
        model = _model_in(model.model_fields[part].annotation)
    return list(model.model_fields) if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)


def _step(node: yaml.Node, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                # A mapping's own line is that of its first key: point at the key that holds it.
                if isinstance(value, yaml.ScalarNode):
                    return value
                value.start_mark = key.start_mark
                return value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part]
    return None


def _at(node: yaml.Node, path: tuple[str | int, ...], message: str) -> FileFault:
    mark = node.start_mark
    return FileFault(mark.line + 1, mark.column + 1, ".".join(map(str, path)), message)


class _Dumper(yaml.SafeDumper):
    """Long texts as blocks, lists indented: a file that people edit."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    # Block style cannot hold every text; PyYAML itself falls back to quotes where it must.
    style = "|" if "\n" in value else None
    if any(mark in value for mark in "\x85\u2028\u2029\ufeff"):
        style = (
            '"'  # to YAML these are line breaks; only quoted and escaped do they stay themselves
        )
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def export(study: Study) -> str:
    """The study's protocol as YAML; reading it back gives the same protocol exactly."""
    data = {
        "readerstudy": VERSION,
        "title": study.title,
        "question": study.question,
        "seed": study.seed,
        **Protocol.model_validate(study.protocol).model_dump(mode="json"),
    }
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, indent=2)


def schema() -> str:
    """The published JSON Schema of protocol files."""
    described = StudyFile.model_json_schema()
    described["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    described["title"] = "Reader study protocol"
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"
