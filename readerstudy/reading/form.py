"""The reading form of a phase: what is asked, in words for the reader, and what may be answered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from readerstudy.reading.refusal import Refused
from readerstudy.reading.regions import Region
from readerstudy.studies.protocol import Phase, Question

# Lowest and highest value of each scale; whole numbers but for 0-100.
SCALES: dict[str, tuple[int, int]] = {
    "4-point": (1, 4),
    "5-point": (1, 5),
    "6-point": (1, 6),
    "0-100": (0, 100),
}
NO_FINDING = "No finding"
LATERALITIES = ("left", "right", "both", "midline")


class FindingSaid(BaseModel):
    """A pathology, how sure, on which side and where."""

    model_config = ConfigDict(extra="forbid")

    term: str = Field(min_length=1, max_length=100)
    certainty: float | None = None
    laterality: str = ""
    region: Region | None = None


class CueSaid(BaseModel):
    """What gave the impression, and where."""

    model_config = ConfigDict(extra="forbid")

    term: str = Field(min_length=1, max_length=100)
    region: Region | None = None


class Answer(BaseModel):
    """Everything a reader says of one presentation."""

    model_config = ConfigDict(extra="forbid")

    judgment: str = Field("", max_length=16)
    confidence: float | None = None
    choice: int | None = None
    quality: float | None = None
    findings: list[FindingSaid] = Field(default_factory=list, max_length=200)
    cues: list[CueSaid] = Field(default_factory=list, max_length=100)
    comment: str = Field("", max_length=10_000)
    answers: dict[str, Any] = Field(default_factory=dict)
    regions: list[Region] = Field(default_factory=list, max_length=16)


def describe(phase: Phase) -> dict[str, Any]:
    """The form as the page draws it. Only what this phase asks is in it: in a purpose-blinded
    phase nothing here (or anywhere in the page) speaks of where scans come from."""
    form = phase.form
    described: dict[str, Any] = {
        "judgment": [],
        "choice": phase.alternatives if phase.task == "forced-choice" else 0,
        "choice_question": "Which one is real?" if phase.task == "forced-choice" else "",
        "confidence": _scale(form.confidence, "How sure are you?", "Guessing", "Certain"),
        "quality": _scale(form.quality, "Image quality", "Very poor", "Excellent"),
        "findings": None,
        "cues": None,
        "comment": form.comment,
        "questions": [question.model_dump() for question in form.questions],
        "rotate_and_flip": form.rotate_and_flip,
        "edge_filter": form.edge_filter,
        "show_clock": form.show_clock,
    }
    if _asks_judgment(phase):
        described["judgment"] = [
            {"value": "real", "label": "Real", "key": "r"},
            {"value": "synthetic", "label": "Synthetic", "key": "s"},
        ]
    if form.findings.ask:
        described["findings"] = {
            "terms": finding_terms(phase),
            "normal": NO_FINDING if form.findings.normal == "explicit" else "",
            "certainty": _scale(form.findings.certainty, "Certainty", "Doubtful", "Definite"),
            "laterality": list(LATERALITIES) if form.findings.laterality else [],
            "region": form.findings.region,
            "required": form.findings.required or form.findings.normal == "explicit",
        }
    if form.cues.ask and _asks_origin(phase):
        described["cues"] = {
            "title": "What looks synthetic?",
            # Asked only where the reader said so; asked always where scans are compared.
            "when": "synthetic" if _asks_judgment(phase) else "",
            "terms": list(form.cues.terms),
            "region": form.cues.region,
            "required": form.cues.required,
        }
    return described


def finding_terms(phase: Phase) -> list[str]:
    return [term.name for term in phase.form.findings.terms]


def _asks_judgment(phase: Phase) -> bool:
    return phase.task == "single" and phase.form.judgment


def _asks_origin(phase: Phase) -> bool:
    return _asks_judgment(phase) or phase.task == "forced-choice"


def _scale(kind: str, title: str, lowest: str, highest: str) -> dict[str, Any] | None:
    if kind == "none":
        return None
    low, high = SCALES[kind]
    return {"title": title, "low": low, "high": high, "lowest": lowest, "highest": highest}


def check(answer: Answer, phase: Phase, *, complete: bool) -> None:
    """Raise ``Refused`` (422) unless ``answer`` fits the phase's form.

    ``complete`` is for submitted readings: whatever the form requires must then be there. Drafts
    may lack anything but hold nothing that was not asked.
    """
    form, problems = phase.form, _Problems()
    if answer.judgment and (
        not _asks_judgment(phase) or answer.judgment not in {"real", "synthetic"}
    ):
        problems.add(f"judgment {answer.judgment!r} is not one of the choices")
    if _asks_judgment(phase) and complete and not answer.judgment:
        problems.add("the judgment is missing")
    if phase.task == "forced-choice":
        if answer.choice is not None and not 1 <= answer.choice <= phase.alternatives:
            problems.add(f"choice {answer.choice} is not between 1 and {phase.alternatives}")
        if complete and answer.choice is None:
            problems.add("the choice is missing")
    elif answer.choice is not None:
        problems.add("a choice was not asked for")
    problems.scale("confidence", answer.confidence, form.confidence, complete)
    problems.scale("quality", answer.quality, form.quality, complete)
    _check_findings(answer, phase, complete, problems)
    _check_cues(answer, phase, complete, problems)
    if answer.regions and form.findings.region == "no" and form.cues.region == "no":
        problems.add("regions were not asked for")
    if answer.comment and not form.comment:
        problems.add("a comment was not asked for")
    problems.extend(question_problems(answer.answers, form.questions, complete=complete))
    problems.raise_any()


class _Problems(list[str]):
    add = list.append

    def scale(self, name: str, value: float | None, kind: str, complete: bool) -> None:
        if kind == "none":
            if value is not None:
                self.add(f"{name} was not asked for")
            return
        if value is None:
            if complete:
                self.add(f"the {name} is missing")
            return
        low, high = SCALES[kind]
        if not complete and math.isfinite(value):
            # A number may still be in the typing: "30" begins with "3".
            return
        if not (math.isfinite(value) and low <= value <= high):
            self.add(f"{name} {value:g} is not between {low} and {high}")
        elif kind != "0-100" and value != int(value):
            self.add(f"{name} {value:g} is not a whole number")

    def raise_any(self) -> None:
        if self:
            text = "; ".join(self)
            raise Refused("not-valid", f"{text[0].upper()}{text[1:]}.", status=422)


def _check_findings(answer: Answer, phase: Phase, complete: bool, problems: _Problems) -> None:
    asked = phase.form.findings
    if not asked.ask:
        if answer.findings:
            problems.add("findings were not asked for")
        return
    allowed = set(finding_terms(phase))
    if asked.normal == "explicit":
        allowed.add(NO_FINDING)
    said = [finding.term for finding in answer.findings]
    for term in said:
        if term not in allowed:
            problems.add(f"finding {term!r} is not in the study's list")
    if len(set(said)) != len(said):
        problems.add("a finding was named twice")
    if NO_FINDING in said and len(said) > 1:
        problems.add(f"{NO_FINDING!r} cannot stand beside other findings")
    for finding in answer.findings:
        if finding.term == NO_FINDING:
            continue
        problems.scale(
            "certainty", finding.certainty, asked.certainty, complete and asked.certainty != "none"
        )
        if finding.laterality and (not asked.laterality or finding.laterality not in LATERALITIES):
            problems.add(f"side {finding.laterality!r} is not one of the choices")
        _check_region(finding.term, finding.region, asked.region, complete, problems)
    if complete and not said and (asked.required or asked.normal == "explicit"):
        problems.add("the findings are missing")


def _check_cues(answer: Answer, phase: Phase, complete: bool, problems: _Problems) -> None:
    asked = phase.form.cues
    if not (asked.ask and _asks_origin(phase)):
        if answer.cues:
            problems.add("cues were not asked for")
        return
    said = [cue.term for cue in answer.cues]
    for term in said:
        if term not in asked.terms:
            problems.add(f"cue {term!r} is not in the study's list")
    if len(set(said)) != len(said):
        problems.add("a cue was named twice")
    for cue in answer.cues:
        _check_region(cue.term, cue.region, asked.region, complete, problems)
    wanted = answer.judgment == "synthetic" or phase.task == "forced-choice"
    if complete and asked.required and wanted and not said:
        problems.add("the cues are missing")


def _check_region(
    term: str, region: Region | None, rule: str, complete: bool, problems: _Problems
) -> None:
    if region is not None and rule == "no":
        problems.add(f"a region was not asked for with {term!r}")
    if region is None and rule == "required" and complete:
        problems.add(f"{term} has no region")


def question_problems(
    given: dict[str, Any], questions: Sequence[Question], *, complete: bool
) -> list[str]:
    """What is wrong with the answers to a study's own questions, one line each."""
    known = {question.key for question in questions}
    problems = [f"there is no question {key!r}" for key in given if key not in known]
    for question in questions:
        value = given.get(question.key)
        if value in (None, "", []):
            if question.required and complete:
                problems.append(f"“{question.text}” has no answer")
            continue
        if not _fits(value, question, complete):
            problems.append(f"“{question.text}”: {value!r} is not a possible answer")
    return problems


def _fits(value: Any, question: Question, complete: bool) -> bool:
    match question.kind:
        case "choice":
            return value in question.options
        case "multiple-choice":
            return isinstance(value, list) and all(item in question.options for item in value)
        case "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            above = question.minimum is None or value >= question.minimum
            below = question.maximum is None or value <= question.maximum
            # In a draft the number may still be in the typing.
            return math.isfinite(value) and (not complete or (above and below))
        case _:
            return isinstance(value, str) and len(value) <= 10_000
