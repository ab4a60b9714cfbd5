"""The protocol read out in words: chapters of labelled values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from readerstudy.studies import wording
from readerstudy.studies.models import Study
from readerstudy.studies.protocol import Phase, Protocol, Question, Stratum
from readerstudy.studies.wording import Word


@dataclass(slots=True)
class Chapter:
    """A heading with its lines of (label, value)."""

    title: str
    step: str
    lines: list[tuple[str, str]] = field(default_factory=list)


def read_out(study: Study, protocol: Protocol) -> list[Chapter]:
    """Everything the protocol says, in the order of the set-up."""
    chapters = [Chapter("Question", "question", [("Question", study.question or "Not stated yet")])]
    for number, phase in enumerate(protocol.phases, 1):
        chapters.append(_phase(number, phase))
    chapters.append(
        Chapter(
            "Cases",
            "cases",
            [
                *((stratum.name, describe(stratum)) for stratum in protocol.sampling.strata),
                *_lines(protocol.sampling, wording.SAMPLING),
            ],
        )
    )
    chapters += [
        Chapter("Design", "design", _design(protocol)),
        Chapter(
            "Images",
            "images",
            [
                *_lines(protocol.rendering, wording.RENDERING),
                *_lines(protocol, {"blinding_limit": wording.PROTOCOL["blinding_limit"]}),
            ],
        ),
        Chapter("Analysis plan", "analysis", _lines(protocol.plan, wording.PLAN)),
        Chapter(
            "Readers",
            "people",
            [
                *_lines(
                    protocol,
                    {n: wording.PROTOCOL[n] for n in ("readers_expected", "show_own_score")},
                ),
                *_lines(protocol.consent, wording.CONSENT),
                *(("Profile", _asked(question)) for question in protocol.profile_questions),
            ],
        ),
    ]
    return chapters


def as_amended(locked: list[Chapter], now: list[Chapter]) -> list[Chapter]:
    """The locked protocol, with what amendments made of a value said beside it."""
    return [
        Chapter(
            before.title,
            before.step,
            [
                (label, value if value == new else f"{value}\nAmended to: {new}")
                for (label, value), (_, new) in zip(before.lines, after.lines, strict=True)
            ],
        )
        for before, after in zip(locked, now, strict=True)
    ]


def describe(stratum: Stratum) -> str:
    """“20 acquired scans; views PA; spread evenly over pathology”."""
    parts = [f"{stratum.count} {stratum.origin} scans"]
    if stratum.labels:
        parts.append("with " + " or ".join(stratum.labels))
    parts += [
        f"{name} {', '.join(value or 'unknown' for value in values)}"
        for name in ("views", "sexes", "generators", "splits", "batches")
        if (values := getattr(stratum, name))
    ]
    if stratum.minimum_age is not None or stratum.maximum_age is not None:
        low = stratum.minimum_age if stratum.minimum_age is not None else 0
        high = stratum.maximum_age if stratum.maximum_age is not None else "any"
        parts.append(f"age {low} to {high}")
    if stratum.balance:
        names = ", ".join(wording.BALANCE[name].lower() for name in stratum.balance)
        parts.append(f"spread evenly over {names}")
    return "; ".join(parts)


def _design(protocol: Protocol) -> list[tuple[str, str]]:
    """Without the settings that this design does not use."""
    design, hidden = protocol.design, set()
    if design.allocation != "balanced-incomplete":
        hidden |= {"readers_a_case", "anchor_cases"}
    if design.allocation != "split-plot":
        hidden.add("groups")
    if not design.repeat_share:
        hidden.add("repeat_spacing")
    if len(protocol.phases) == 1:
        hidden.add("phase_cases")
    words = {name: word for name, word in wording.DESIGN.items() if name not in hidden}
    return _lines(design, words)


def _phase(number: int, phase: Phase) -> Chapter:
    chapter = Chapter(phase.title or f"Phase {number}", "task")
    chapter.lines = _lines(phase, {k: v for k, v in wording.PHASE.items() if k != "title"})
    if phase.task != "forced-choice":
        chapter.lines = [line for line in chapter.lines if line[0] != "Scans side by side"]
    chapter.lines += _lines(phase.exposure, wording.EXPOSURE)
    if phase.exposure.mode == "unlimited":
        chapter.lines = [li for li in chapter.lines if li[0] not in ("Time shown", "Mask")]
    if phase.exposure.between == "none":
        chapter.lines = [li for li in chapter.lines if li[0] != "Mask between cases for"]
    chapter.lines += _lines(phase.form, wording.FORM)
    findings = phase.form.findings
    if findings.ask:
        chapter.lines.append(("Findings", ", ".join(term.name for term in findings.terms)))
        chapter.lines += [
            (f"Findings: {label.lower()}", value)
            for label, value in _lines(findings, wording.FINDINGS)[1:]
        ]
    else:
        chapter.lines.append(("Findings", "Not asked"))
    cues = phase.form.cues
    chapter.lines.append(("Cues", ", ".join(cues.terms) if cues.ask else "Not asked"))
    chapter.lines += [("Extra question", _asked(question)) for question in phase.form.questions]
    return chapter


def _asked(question: Question) -> str:
    """“Is the view adequate? (one of: yes, no; required)”."""
    kind = wording.QUESTION["kind"].choices[question.kind].lower()
    says = [f"{kind}: {', '.join(question.options)}" if question.options else kind]
    if question.minimum is not None:
        says.append(f"at least {question.minimum:g}")
    if question.maximum is not None:
        says.append(f"at most {question.maximum:g}")
    if question.required:
        says.append("required")
    return f"{question.text} ({'; '.join(says)})"


def _lines(part: BaseModel, words: dict[str, Word]) -> list[tuple[str, str]]:
    return [(word.label, _say(getattr(part, name), word)) for name, word in words.items()]


def _say(value: Any, word: Word) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if value is None or value == "" or value == []:
        return "None"
    if isinstance(value, list):
        return ", ".join(word.choices.get(one, str(one)) for one in value)
    text = word.choices.get(value, f"{value:g}" if isinstance(value, float) else str(value))
    return f"{text} {word.unit}" if word.unit else text
