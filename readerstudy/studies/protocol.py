"""The protocol of a study: what is asked, of which cases, in which order, and how it is analysed.

One schema serves the pages, the database (``Study.protocol``) and the YAML file.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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


class Part(BaseModel):
    """A part of a protocol: unknown keys are errors, so that no setting is lost unnoticed."""

    model_config = ConfigDict(extra="forbid")


class Stratum(Part):
    """So many scans that match a filter over the archive."""

    name: str = Field(min_length=1, max_length=100)
    origin: Literal["acquired", "generated"]
    count: int = Field(ge=1, le=100_000)
    labels: list[str] = Field(default_factory=list, description="Any of these.")
    views: list[Literal["PA", "AP", ""]] = Field(default_factory=list)
    sexes: list[Literal["F", "M", "O", ""]] = Field(default_factory=list)
    minimum_age: int | None = Field(None, ge=0, le=130)
    maximum_age: int | None = Field(None, ge=0, le=130)
    generators: list[str] = Field(default_factory=list, description="Names of generators.")
    batches: list[str] = Field(default_factory=list, description="Public ids of imports.")
    splits: list[str] = Field(default_factory=list)
    balance: list[Literal["label", "generator", "view", "sex"]] = Field(
        default_factory=list,
        description="Spread the count evenly over these; empty takes them as they come.",
    )


class Sampling(Part):
    strata: list[Stratum] = Field(default_factory=list)
    one_scan_a_patient: bool = True
    exclude: list[str] = Field(default_factory=list, description="Public ids of scans.")
    training_cases: int = Field(0, ge=0, le=200, description="Taken beside the strata's counts.")


class Design(Part):
    """Allocation and order."""

    allocation: Literal["crossed", "balanced-incomplete", "split-plot"] = "crossed"
    readers_a_case: int | None = Field(None, ge=1, description="For incomplete allocation.")
    anchor_cases: int = Field(0, ge=0, description="Read by everybody in incomplete allocation.")
    groups: int = Field(2, ge=2, le=50, description="Of readers and of cases, in a split plot.")
    block_size: int = Field(8, ge=2, le=1000, description="Permuted blocks, stratified by origin.")
    block_strata: list[Literal["label", "generator", "view", "sex", "stratum"]] = Field(
        default_factory=list, description="Balanced over the blocks beside origin."
    )
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


class Term(Part):
    name: str = Field(min_length=1, max_length=100)
    code: str = Field("", description="For example RID5350 (RadLex) or 60046008 (SNOMED CT).")
    code_system: str = ""


class Findings(Part):
    ask: bool = True
    terms: list[Term] = Field(default_factory=lambda: [Term(name=name) for name in CHESTXRAY14])
    certainty: Literal["none", "4-point", "5-point", "0-100"] = "none"
    laterality: bool = False
    region: Literal["no", "optional", "required"] = "optional"
    normal: Literal["none-selected", "explicit"] = Field(
        "explicit", description="Whether 'no finding' must be said or is an empty list."
    )
    required: bool = False


class Cues(Part):
    ask: bool = True
    terms: list[str] = Field(default_factory=lambda: list(DEFAULT_CUES))
    region: Literal["no", "optional", "required"] = "optional"
    required: bool = False


class Question(Part):
    """A question of the study's own."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    text: str = Field(min_length=1, max_length=300)
    kind: Literal["choice", "multiple-choice", "number", "text"]
    options: list[str] = Field(default_factory=list)
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False


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
    questions: list[Question] = Field(default_factory=list)
    rotate_and_flip: bool = False
    edge_filter: bool = False
    show_clock: bool = False


class Phase(Part):
    """One part of a study. Most have one; a purpose-blinded study has two."""

    title: str = Field("", max_length=100, description="Shown to readers.")
    task: Literal["single", "forced-choice", "quality", "diagnosis"] = "single"
    alternatives: int = Field(2, ge=2, le=16, description="Scans side by side in forced choice.")
    form: Form = Field(default_factory=Form)
    exposure: Exposure = Field(default_factory=Exposure)
    instructions: str = ""
    ask_whether_noticed: bool = Field(
        False, description="After a purpose-blinded phase: did you notice anything?"
    )


class Consent(Part):
    version: str = "1"
    text: str = DEFAULT_CONSENT


class AnalysisPlan(Part):
    """Declared before lock, printed in the report. What is not declared here is exploratory."""

    primary: Literal[
        "realism-generated", "realism-difference", "auc", "accuracy", "quality-difference"
    ] = "realism-generated"
    secondary: list[
        Literal["realism-generated", "realism-difference", "auc", "accuracy", "quality-difference"]
    ] = Field(default_factory=list)
    chance: float = Field(0.5, gt=0.0, lt=1.0)
    equivalence_margin: float | None = Field(None, gt=0.0, lt=0.5)
    alpha: float = Field(0.05, gt=0.0, lt=0.5)
    multiplicity: Literal["none", "bonferroni", "holm", "hochberg", "bh", "by"] = "holm"
    subgroups: list[Literal["label", "generator", "reader", "view", "sex"]] = Field(
        default_factory=list
    )
    power_statement: str = ""


class Protocol(Part):
    """The whole protocol."""

    phases: Annotated[list[Phase], Field(min_length=1)] = Field(default_factory=lambda: [Phase()])
    sampling: Sampling = Field(default_factory=Sampling)
    design: Design = Field(default_factory=Design)
    rendering: RenderingProtocol = Field(default_factory=RenderingProtocol)
    plan: AnalysisPlan = Field(default_factory=AnalysisPlan)
    consent: Consent = Field(default_factory=Consent)
    profile_questions: list[Question] = Field(default_factory=default_profile)
    blinding_limit: float = Field(
        0.65, ge=0.5, le=1.0, description="Largest AUC of a nuisance cue that does not block lock."
    )
    show_own_score: bool = False
    readers_expected: int = Field(3, ge=1, le=1000)
