"""The guided set-up: which step shows which part of the protocol, and how it is written back."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict
from pydantic import ValidationError

from readerstudy.imaging.rendering import RenderingProtocol
from readerstudy.studies import protocol as schema
from readerstudy.studies import vocabulary, wording
from readerstudy.studies.errors import StudyError
from readerstudy.studies.part_forms import Lines, PartForm, form_for
from readerstudy.studies.protocol import Protocol
from readerstudy.studies.protocol_file import in_words


@dataclass(frozen=True, slots=True)
class Step:
    """One page of the sequence."""

    key: str
    title: str
    lead: str


STEPS = [
    Step("question", "Question", "What is to be found out?"),
    Step("task", "Tasks", "What do readers do, in which phases?"),
    Step("cases", "Cases", "Which scans are shown, and how many?"),
    Step("design", "Design", "Who reads what, in which order, in how many sessions?"),
    Step("images", "Images", "How does every scan, whatever its origin, become a blinded frame?"),
    Step("analysis", "Analysis", "What will be computed? Declared now, it counts as confirmatory."),
    Step("people", "Readers", "Who reads, and what are they told and asked?"),
    Step("review", "Check and lock", "Is everything ready?"),
]
BY_KEY = {step.key: step for step in STEPS}


class FindingsForm(form_for(schema.Findings, wording.FINDINGS)):  # type: ignore[misc]
    """Findings with the vocabulary as lines of ``name | code | code system``."""

    terms = Lines(
        rows=8,
        required=False,
        label="Vocabulary",
        help_text="One a line; a code may follow: “Nodule | RID3875 | RadLex”.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        initial = options.get("initial")
        if initial and isinstance(initial.get("terms"), list):
            lines = [
                " | ".join(part for part in (t["name"], t["code"], t["code_system"]) if part)
                for t in initial["terms"]
            ]
            options["initial"] = {**initial, "terms": lines}
        super().__init__(*args, **options)

    vocabulary = forms.FileField(
        required=False,
        label="Vocabulary from a file",
        help_text="CSV with name, code and code_system (RadLex, SNOMED CT …); takes the place of "
        "the list above.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if upload := cleaned.get("vocabulary"):
            try:
                cleaned["terms"] = vocabulary.read(upload.read(1_000_000))
            except StudyError as error:
                self.add_error("vocabulary", str(error))
        return cleaned

    def part(self) -> dict[str, Any]:
        return {name: value for name, value in super().part().items() if name != "vocabulary"}

    def clean_terms(self) -> list[dict[str, str]]:
        result = []
        for line in self.cleaned_data["terms"]:
            parts = [part.strip() for part in line.split("|")]
            if len(parts) > 3 or not parts[0]:
                raise forms.ValidationError(f"“{line}”: write “name | code | code system”.")
            name, code, system = [*parts, "", ""][:3]
            result.append({"name": name, "code": code, "code_system": system})
        return result


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the protocol on a page: ``path`` leads to it; ``many`` for a list of parts."""

    prefix: str
    title: str
    path: tuple[str | int, ...]
    form: type[PartForm]
    many: bool = False
    lead: str = ""
    # What one more of them is called, on the button and in the empty row.
    noun: str = ""


class StratumRow(form_for(schema.Stratum, wording.STRATUM)):  # type: ignore[misc]
    lead = "name"


class QuestionRow(form_for(schema.Question, wording.QUESTION)):  # type: ignore[misc]
    """A question; its column name is made from its text where none is given."""

    lead = "text"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["key"].required = False

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean()
        if not cleaned.get("key") and cleaned.get("text"):
            key = re.sub(r"[^a-z0-9]+", "_", cleaned["text"].lower()).strip("_")
            cleaned["key"] = (key if key[:1].isalpha() else f"q_{key}")[:40].rstrip("_")
        return cleaned


SECTIONS: dict[str, list[Section]] = {
    "cases": [
        Section(
            "stratum",
            "Strata",
            ("sampling", "strata"),
            StratumRow,
            many=True,
            lead="Each stratum draws so many scans that match its filters.",
            noun="stratum",
        ),
        Section(
            "sampling",
            "Rules of the draw",
            ("sampling",),
            form_for(schema.Sampling, wording.SAMPLING),
        ),
    ],
    "design": [Section("design", "", ("design",), form_for(schema.Design, wording.DESIGN))],
    "images": [
        Section(
            "rendering",
            "Rendering",
            ("rendering",),
            form_for(RenderingProtocol, wording.RENDERING),
        ),
        Section(
            "blinding",
            "Blinding audit",
            (),
            form_for(Protocol, {"blinding_limit": wording.PROTOCOL["blinding_limit"]}),
        ),
    ],
    "analysis": [Section("plan", "", ("plan",), form_for(schema.AnalysisPlan, wording.PLAN))],
    "people": [
        Section(
            "people",
            "Readers",
            (),
            form_for(
                Protocol,
                {name: wording.PROTOCOL[name] for name in ("readers_expected", "show_own_score")},
            ),
        ),
        Section("consent", "Consent", ("consent",), form_for(schema.Consent, wording.CONSENT)),
        Section(
            "profile",
            "Profile",
            ("profile_questions",),
            QuestionRow,
            many=True,
            lead="Asked once of every reader; reported with the results.",
            noun="question",
        ),
    ],
}


def phase_sections(number: int) -> list[Section]:
    """The sections of one phase's page."""
    at: tuple[str | int, ...] = ("phases", number)
    return [
        Section("phase", "Task", at, form_for(schema.Phase, wording.PHASE)),
        Section(
            "exposure", "Exposure", (*at, "exposure"), form_for(schema.Exposure, wording.EXPOSURE)
        ),
        Section("form", "Reading form", (*at, "form"), form_for(schema.Form, wording.FORM)),
        Section("findings", "Findings", (*at, "form", "findings"), FindingsForm),
        Section("cues", "Cues", (*at, "form", "cues"), form_for(schema.Cues, wording.CUES)),
        Section(
            "question",
            "Extra questions",
            (*at, "form", "questions"),
            QuestionRow,
            many=True,
            noun="question",
        ),
    ]


class Sheet:
    """The forms of one page, filled from a protocol and, when posted, from the request."""

    def __init__(
        self,
        protocol: dict[str, Any],
        sections: list[Section],
        posted: QueryDict | None = None,
        files: Any = None,
    ) -> None:
        self.protocol, self.sections = protocol, sections
        self.errors: list[str] = []
        self.parts: list[tuple[Section, Any]] = []
        for section in sections:
            value = _at(protocol, section.path)
            if section.many:
                formset = forms.formset_factory(section.form, extra=1, can_delete=True, max_num=500)
                self.parts.append((section, formset(posted, prefix=section.prefix, initial=value)))
            else:
                self.parts.append(
                    (section, section.form(posted, files, prefix=section.prefix, initial=value))
                )

    def result(self) -> Protocol | None:
        """The protocol with what was posted, or ``None`` with errors at their fields."""
        valid = [part.is_valid() for _, part in self.parts]  # all, so that all show their errors
        if not all(valid):
            self.errors.append("Some settings need another look; they are marked below.")
            return None
        data = copy.deepcopy(self.protocol)
        for section, part in self.parts:
            if section.many:
                rows = [
                    {k: v for k, v in form.part().items() if k != "DELETE"}
                    for form in part.forms
                    if form.cleaned_data and not form.cleaned_data.get("DELETE")
                ]
                _at(data, section.path[:-1])[section.path[-1]] = rows
            else:
                _at(data, section.path).update(part.part())
        try:
            return Protocol.model_validate(data)
        except ValidationError as error:
            self._place(error)
            return None

    def _place(self, error: ValidationError) -> None:
        for one in error.errors():
            place, message = one["loc"], in_words(one)
            for section, part in self.parts:
                if section.many or place[: len(section.path)] != section.path:
                    continue
                inner = place[len(section.path) :]
                if inner and inner[0] in part.fields:
                    part.add_error(str(inner[0]), message)
                    break
            else:
                where = _named(place)
                self.errors.append(f"{where}: {message}." if where else f"{message}.")
        if not self.errors:
            self.errors.append("Some settings need another look; they are marked below.")


def _named(place: tuple[str | int, ...]) -> str:
    """Where an error lies, counted as people do: “sampling, strata 2, count”."""
    words: list[str] = []
    for part in place:
        if isinstance(part, int) and words:
            words[-1] += f" {part + 1}"
        else:
            words.append(str(part).replace("_", " "))
    return ", ".join(words)


def _at(data: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


def neighbours(key: str) -> tuple[Step | None, Step | None]:
    """The steps before and after this one."""
    place = [step.key for step in STEPS].index(key)
    return (
        STEPS[place - 1] if place else None,
        STEPS[place + 1] if place + 1 < len(STEPS) else None,
    )


def presets() -> dict[str, list[schema.Phase]]:
    """Phase sequences to begin from."""
    return {
        "single": [schema.Phase(title="Reading")],
        "forced-choice": [
            schema.Phase(
                title="Which is real?",
                task="forced-choice",
                form=schema.Form(judgment=False, findings=schema.Findings(ask=False)),
            )
        ],
        "quality": [schema.Phase(title="Image quality", task="quality")],
        "purpose-blinded": [
            schema.Phase(title="Diagnostic reading", task="diagnosis", ask_whether_noticed=True),
            schema.Phase(title="Real or synthetic"),
        ],
    }


PRESET_TITLES = {
    "single": "Real or synthetic, one scan at a time",
    "forced-choice": "Forced choice: which of these is real?",
    "quality": "Image quality, purpose not told",
    "purpose-blinded": "Purpose-blinded diagnosis, then real or synthetic",
}
