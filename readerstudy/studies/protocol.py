"""The protocol of a study: what is asked, of which cases, in which order, and how it is analysed.

One schema serves the pages, the database (``Study.protocol``) and the YAML file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from readerstudy.imaging.rendering import RenderingProtocol

CHESTXRAY14 = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)

DEFAULT_CUES = (
    "Ribs",
    "Clavicles or scapulae",
    "Spine",
    "Heart or mediastinum",
    "Lung markings",
    "Diaphragm",
    "Device or line",
    "Text or marker",
    "Texture or noise",
    "Border or collimation",
    "Symmetry",
    "Other",
)


DEFAULT_CONSENT = (
    "You are invited to take part in a research study in which you read chest radiographs. Your "
    "answers, their times and your reading conditions are recorded under a pseudonym. Taking part "
    "is voluntary; you may stop at any time without giving a reason. Nothing you say here is used "
    "for the care of a patient or to judge your work."
)


# What no text may hold: databases refuse NUL, files and pages lose the others.
_UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
T = TypeVar("T")


def plain_text(value: Any) -> Any:
    """A text as the pages, the file and the database all keep it: LF, no control characters."""
    if not isinstance(value, str):
        return value
    if found := _UNSPEAKABLE.search(value):
        raise ValueError(f"a text cannot hold the character U+{ord(found.group()):04X}")
    return value.replace("\r\n", "\n").replace("\r", "\n")


def _once(values: list[T]) -> list[T]:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"“{twice[0]}” is given twice")
    return values


def _no_two(what: str, names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"two {what} are called “{twice[0]}”; every name is used once")


# One line of a list that the pages show with an entry a line.
Line = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\n]*$")]
Lines = Annotated[list[Line], AfterValidator(_once)]


class Part(BaseModel):
    """A part of a protocol: unknown keys are errors, so that no setting is lost unnoticed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return [plain_text(one) for one in value] if isinstance(value, list) else plain_text(value)


class Stratum(Part):
    """So many scans that match a filter over the archive."""

    name: str = Field(min_length=1, max_length=100)
    origin: Literal["acquired", "generated"]
    count: int = Field(ge=1, le=100_000)
    labels: Lines = Field(default_factory=list, description="Any of these.")
    views: Annotated[list[Literal["PA", "AP", ""]], AfterValidator(_once)] = Field(
        default_factory=list
    )
    sexes: Annotated[list[Literal["F", "M", "O", ""]], AfterValidator(_once)] = Field(
        default_factory=list
    )
    minimum_age: int | None = Field(None, ge=0, le=130)
    maximum_age: int | None = Field(None, ge=0, le=130)
    generators: Lines = Field(default_factory=list, description="Names of generators.")
    batches: Lines = Field(default_factory=list, description="Public ids of imports.")
    splits: Lines = Field(default_factory=list)
    balance: Annotated[
        list[Literal["label", "generator", "view", "sex"]], AfterValidator(_once)
    ] = Field(
        default_factory=list,
        description="Spread the count evenly over these; empty takes them as they come.",
    )

    @model_validator(mode="after")
    def _ages(self) -> Self:
        if (
            self.minimum_age is not None
            and self.maximum_age is not None
            and self.minimum_age > self.maximum_age
        ):
            raise ValueError(
                f"nobody is at least {self.minimum_age} and at most {self.maximum_age} years old"
            )
        return self


class Sampling(Part):
    strata: list[Stratum] = Field(default_factory=list, max_length=500)
    one_scan_a_patient: bool = True
    exclude: Lines = Field(
        default_factory=list,
        description="Scans, by their public ids or the hashes of their pixels.",
    )
    training_cases: int = Field(0, ge=0, le=200, description="Taken beside the strata's counts.")

    @model_validator(mode="after")
    def _names(self) -> Self:
        _no_two("strata", (stratum.name for stratum in self.strata))
        return self


class Design(Part):
    """Allocation and order."""

    allocation: Literal["crossed", "balanced-incomplete", "split-plot"] = "crossed"
    readers_a_case: int | None = Field(None, ge=1, description="For incomplete allocation.")
    anchor_cases: int = Field(0, ge=0, description="Read by everybody in incomplete allocation.")
    groups: int = Field(2, ge=2, le=50, description="Of readers and of cases, in a split plot.")
    block_size: int = Field(8, ge=2, le=1000, description="Permuted blocks, stratified by origin.")
    block_strata: Annotated[
        list[Literal["label", "generator", "view", "sex", "stratum"]], AfterValidator(_once)
    ] = Field(default_factory=list, description="Balanced over the blocks beside origin.")
    longest_run: int = Field(4, ge=1, description="Most cases of one origin in a row.")
    balance_carry_over: bool = False
    repeat_share: float = Field(0.0, ge=0.0, le=1.0)
    repeat_spacing: int = Field(20, ge=1, description="Least positions between the two showings.")
    sessions: int = Field(1, ge=1, le=50, description="Sittings for each phase.")
    phase_cases: Literal["same", "disjoint"] = Field(
        "same", description="Whether every phase shows all cases or each its own share."
    )
    washout_days: float = Field(0.0, ge=0.0, le=3650)
    break_every: int = Field(0, ge=0, description="Presentations between break prompts; 0: none.")
    revision: Literal["until-session-end", "locked-on-submit"] = "until-session-end"
    seconds_a_case: int = Field(
        45, ge=1, le=3600, description="Expected, for planning the readers' time only."
    )


class Exposure(Part):
    mode: Literal["unlimited", "fixed", "staircase"] = "unlimited"
    milliseconds: int = Field(1000, ge=16, le=600_000)
    mask: Literal["grey", "noise"] = "noise"
    between: Literal["none", "grey", "noise"] = Field(
        "none", description="A mask between one case and the next."
    )
    between_ms: int = Field(500, ge=100, le=5000, description="How long that mask is shown.")


# A bar parts name, code and system on the pages.
_BARLESS = r"^[^\n|]*$"


class Term(Part):
    name: str = Field(min_length=1, max_length=100, pattern=_BARLESS)
    code: str = Field(
        "",
        max_length=100,
        pattern=_BARLESS,
        description="For example RID5350 (RadLex) or 60046008 (SNOMED CT).",
    )
    code_system: str = Field("", max_length=100, pattern=_BARLESS)

    @model_validator(mode="after")
    def _of_a_system(self) -> Self:
        if self.code_system and not self.code:
            raise ValueError(f"“{self.name}” names the system {self.code_system} but no code of it")
        return self


class Findings(Part):
    ask: bool = True
    terms: list[Term] = Field(
        default_factory=lambda: [Term(name=name) for name in CHESTXRAY14], max_length=500
    )
    certainty: Literal["none", "4-point", "5-point", "0-100"] = "none"
    laterality: bool = False
    region: Literal["no", "optional", "required"] = "optional"
    normal: Literal["none-selected", "explicit"] = Field(
        "explicit", description="Whether 'no finding' must be said or is an empty list."
    )
    required: bool = False

    @model_validator(mode="after")
    def _names(self) -> Self:
        _no_two("findings", (term.name for term in self.terms))
        return self


class Cues(Part):
    ask: bool = True
    terms: Lines = Field(default_factory=lambda: list(DEFAULT_CUES), max_length=200)
    region: Literal["no", "optional", "required"] = "optional"
    required: bool = False


class Question(Part):
    """A question of the study's own."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    text: str = Field(min_length=1, max_length=300)
    kind: Literal["choice", "multiple-choice", "number", "text"]
    options: Lines = Field(default_factory=list, max_length=100)
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"no number is at least {self.minimum:g} and at most {self.maximum:g}")
        return self


def default_profile() -> list[Question]:
    """What studies usually ask of their readers, once, before the first reading."""
    return [
        Question(
            key="years",
            text="Years of experience in reading radiographs",
            kind="number",
            minimum=0,
            maximum=70,
            required=True,
        ),
        Question(
            key="board_status",
            text="Board status",
            kind="choice",
            options=["Resident or in training", "Board certified", "Other"],
            required=True,
        ),
        Question(
            key="subspecialty",
            text="Subspecialty",
            kind="choice",
            options=["Thoracic", "General", "Emergency", "Paediatric", "Other", "None"],
        ),
        Question(
            key="chest_fraction",
            text="Share of chest radiographs in your daily reading (per cent)",
            kind="number",
            minimum=0,
            maximum=100,
        ),
    ]


class Form(Part):
    """What the reader is asked at each presentation."""

    judgment: bool = True
    confidence: Literal["none", "4-point", "5-point", "6-point", "0-100"] = "5-point"
    quality: Literal["none", "5-point", "0-100"] = "none"
    findings: Findings = Field(default_factory=Findings)
    cues: Cues = Field(default_factory=Cues)
    comment: bool = True
    questions: list[Question] = Field(default_factory=list, max_length=100)
    rotate_and_flip: bool = False
    edge_filter: bool = False
    show_clock: bool = False

    @model_validator(mode="after")
    def _keys(self) -> Self:
        _no_two("questions", (question.key for question in self.questions))
        return self


# What a form asks when a file leaves it out, where the task does not tell readers its purpose.
_QUIET: dict[str, Any] = {"judgment": False, "confidence": "none", "quality": "5-point"}


class Phase(Part):
    """One part of a study. Most have one; a purpose-blinded study has two."""

    title: str = Field("", max_length=100, description="Shown to readers.")
    task: Literal["single", "forced-choice", "quality", "diagnosis"] = "single"
    alternatives: int = Field(2, ge=2, le=16, description="Scans side by side in forced choice.")
    form: Form = Field(
        default_factory=Form,
        description="Left out, quality and diagnosis ask neither for the origin nor for cues.",
    )
    exposure: Exposure = Field(default_factory=Exposure)
    instructions: str = ""
    ask_whether_noticed: bool = Field(
        False, description="After a purpose-blinded phase: did you notice anything?"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_the_task(cls, data: Any) -> Any:
        """What is left out of the form follows from the task: quality and diagnosis ask neither
        for the origin nor for cues to it."""
        if not isinstance(data, dict) or data.get("task") not in ("quality", "diagnosis"):
            return data
        form = data.get("form", {})
        cues = form.get("cues", {}) if isinstance(form, dict) else None
        if not isinstance(cues, dict):
            return data
        return {**data, "form": {**_QUIET, **form, "cues": {"ask": False, **cues}}}


class Consent(Part):
    version: str = Field("1", min_length=1, max_length=32)
    text: str = DEFAULT_CONSENT


class AnalysisPlan(Part):
    """Declared before lock, printed in the report. What is not declared here is exploratory."""

    primary: Literal[
        "realism-generated", "realism-difference", "auc", "accuracy", "quality-difference"
    ] = "realism-generated"
    secondary: Annotated[
        list[
            Literal[
                "realism-generated", "realism-difference", "auc", "accuracy", "quality-difference"
            ]
        ],
        AfterValidator(_once),
    ] = Field(default_factory=list)
    chance: float = Field(0.5, gt=0.0, lt=1.0)
    equivalence_margin: float | None = Field(None, gt=0.0, lt=0.5)
    alpha: float = Field(0.05, gt=0.0, lt=0.5)
    multiplicity: Literal["none", "bonferroni", "holm", "hochberg", "bh", "by"] = "holm"
    subgroups: Annotated[
        list[Literal["label", "generator", "reader", "view", "sex"]], AfterValidator(_once)
    ] = Field(default_factory=list)
    power_statement: str = ""


class Protocol(Part):
    """The whole protocol."""

    phases: Annotated[list[Phase], Field(min_length=1, max_length=20)] = Field(
        default_factory=lambda: [Phase()]
    )
    sampling: Sampling = Field(default_factory=Sampling)
    design: Design = Field(default_factory=Design)
    rendering: RenderingProtocol = Field(default_factory=RenderingProtocol)
    plan: AnalysisPlan = Field(default_factory=AnalysisPlan)
    consent: Consent = Field(default_factory=Consent)
    profile_questions: list[Question] = Field(default_factory=default_profile, max_length=100)
    blinding_limit: float = Field(
        0.65, ge=0.5, le=1.0, description="Largest AUC of a nuisance cue that does not block lock."
    )
    show_own_score: bool = False
    readers_expected: int = Field(3, ge=1, le=1000)

    @model_validator(mode="after")
    def _keys(self) -> Self:
        _no_two("profile questions", (question.key for question in self.profile_questions))
        return self
