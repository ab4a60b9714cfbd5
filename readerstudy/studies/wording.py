"""The protocol in people's words: labels, help and choices for every setting."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Word:
    """How one setting is asked for."""

    label: str
    help: str = ""
    choices: dict[str, str] = field(default_factory=dict)
    unit: str = ""
    rows: int = 0  # a text area of so many rows


ORIGINS = {"acquired": "Acquired", "generated": "Generated"}
SCALES = {
    "none": "Not asked",
    "4-point": "4 points",
    "5-point": "5 points",
    "6-point": "6 points",
    "0-100": "0 to 100",
}
REGIONS = {"no": "No", "optional": "May be drawn", "required": "Must be drawn"}
BALANCE = {"label": "Pathology", "generator": "Generator", "view": "View", "sex": "Sex"}
ENDPOINTS = {
    "realism-generated": "Realism rate of generated scans against chance",
    "realism-difference": "Realism rate, generated minus acquired",
    "auc": "AUC of confidence-weighted judgments against chance",
    "accuracy": "Share of correct answers against chance",
    "quality-difference": "Image quality, generated minus acquired",
}
TASKS = {
    "single": "Real or synthetic, one scan at a time",
    "forced-choice": "Which of these is real? (forced choice)",
    "quality": "Rate image quality (purpose not told)",
    "diagnosis": "Diagnose (purpose not told)",
}
STATUSES = {
    "draft": "Draft",
    "locked": "Locked",
    "open": "Open",
    "closed": "Closed",
}

STRATUM = {
    "name": Word("Name", "For your own tables, for example “generated effusion”."),
    "origin": Word("Origin", choices=ORIGINS),
    "count": Word("Scans"),
    "labels": Word(
        "Pathologies", "One a line; any of them. “No finding” takes unlabelled.", rows=2
    ),
    "views": Word("Views", "None ticked: any.", {"PA": "PA", "AP": "AP", "": "Unknown"}),
    "sexes": Word(
        "Sex", "None ticked: any.", {"F": "Female", "M": "Male", "O": "Other", "": "Unknown"}
    ),
    "minimum_age": Word("Youngest", unit="years"),
    "maximum_age": Word("Oldest", unit="years"),
    "generators": Word("Generators", "Names, one a line; any of them.", rows=2),
    "batches": Word("Imports", "Public ids of imports, one a line.", rows=2),
    "splits": Word("Splits", "For example “test”, one a line.", rows=2),
    "balance": Word("Spread evenly over", "None ticked: as they come.", BALANCE),
}
SAMPLING = {
    "one_scan_a_patient": Word(
        "One scan a patient",
        "Scans of one patient resemble each other; most analyses take cases as independent.",
    ),
    "training_cases": Word(
        "Training cases",
        "Shown first with feedback, drawn beside the counts above, kept out of the analysis.",
    ),
    "exclude": Word("Excluded scans", "Public ids, one a line.", rows=3),
}
DESIGN = {
    "allocation": Word(
        "Who reads what",
        "Crossed is the most powerful for a given number of cases. Balanced incomplete blocks "
        "spare the readers: each case goes to a few of them, every pair shares about as many. In a "
        "split plot, groups of readers each read their own share of the cases.",
        {
            "crossed": "Every reader reads every case (fully crossed)",
            "balanced-incomplete": "Each case to some of the readers (balanced incomplete blocks)",
            "split-plot": "Groups of readers, each with its own cases (split plot)",
        },
    ),
    "readers_a_case": Word("Readers a case", "For balanced incomplete blocks."),
    "anchor_cases": Word(
        "Anchor cases", "Read by everybody in incomplete blocks, so that readers can be compared."
    ),
    "groups": Word("Groups", "For a split plot."),
    "block_size": Word(
        "Block size",
        "Every block of so many presentations holds the origins in proportion, in random order.",
    ),
    "block_strata": Word(
        "Also balance over blocks", "Beside origin.", {**BALANCE, "stratum": "Stratum"}
    ),
    "longest_run": Word("Longest run", "Most scans of one origin in a row."),
    "balance_carry_over": Word(
        "Balance carry-over",
        "Each origin follows each as often as its share implies, so that the scan before says "
        "nothing about the next.",
    ),
    "repeat_share": Word(
        "Share repeated",
        "Of the cases, 0 to 1. Repeats are never shown as such; they measure how "
        "consistent each reader is.",
    ),
    "repeat_spacing": Word("Repeats at least", unit="positions apart"),
    "sessions": Word("Sessions for each phase", "The list is split evenly."),
    "phase_cases": Word(
        "Cases of several phases",
        "With the same cases, readers may remember them from the phase before.",
        {"same": "The same in every phase", "disjoint": "Each phase its own share"},
    ),
    "washout_days": Word("Washout between sessions", "Enforced.", unit="days"),
    "break_every": Word("Suggest a break after", "0: never.", unit="presentations"),
    "revision": Word(
        "Answers may be changed",
        choices={
            "until-session-end": "Until the session ends",
            "locked-on-submit": "Not once submitted",
        },
    ),
    "seconds_a_case": Word("Expected time a case", "For planning only.", unit="seconds"),
}
PHASE = {
    "title": Word("Title", "Shown to readers; it must not give the purpose away."),
    "task": Word("Task", choices=TASKS),
    "alternatives": Word("Scans side by side", "In a forced choice; one of them is acquired."),
    "instructions": Word("Instructions to readers", rows=4),
    "ask_whether_noticed": Word(
        "Ask afterwards whether they noticed anything",
        "For a purpose-blinded phase that is followed by an informed one.",
    ),
}
EXPOSURE = {
    "mode": Word(
        "Exposure",
        "The staircase finds the time at which a reader is right three times out of four.",
        {
            "unlimited": "As long as the reader wants",
            "fixed": "A fixed time, then a mask",
            "staircase": "Adaptive staircase",
        },
    ),
    "milliseconds": Word("Time shown", "Of a fixed time; a staircase begins at 500 ms.", unit="ms"),
    "mask": Word("Mask", choices={"grey": "Grey", "noise": "Noise"}),
    "between": Word(
        "Between cases",
        "So that no case is seen over the one before.",
        {"none": "Nothing", "grey": "A grey mask", "noise": "A noise mask"},
    ),
    "between_ms": Word("Mask between cases for", unit="ms"),
}
FORM = {
    "judgment": Word("Ask: real or synthetic?", "Not in a purpose-blinded or forced-choice phase."),
    "confidence": Word("Confidence", choices=SCALES),
    "quality": Word("Image quality", choices={k: SCALES[k] for k in ("none", "5-point", "0-100")}),
    "comment": Word("Free comment"),
    "rotate_and_flip": Word("Tool: rotate and flip"),
    "edge_filter": Word("Tool: edge filter"),
    "show_clock": Word("Show a clock"),
}
FINDINGS = {
    "ask": Word("Ask for findings"),
    "certainty": Word(
        "Certainty", choices={k: SCALES[k] for k in ("none", "4-point", "5-point", "0-100")}
    ),
    "laterality": Word("Ask for the side"),
    "region": Word("Region", choices=REGIONS),
    "normal": Word(
        "A normal scan",
        choices={
            "explicit": "“No finding” must be said",
            "none-selected": "An empty list means normal",
        },
    ),
    "required": Word("Required"),
}
CUES = {
    "ask": Word("Ask what gave it away", "Shown when a reader says “synthetic”."),
    "terms": Word("Cues", "One a line.", rows=6),
    "region": Word("Region", choices=REGIONS),
    "required": Word("Required"),
}
QUESTION = {
    "key": Word("Column name", "Lower-case letters, digits, underscore."),
    "text": Word("Question"),
    "kind": Word(
        "Answer",
        choices={
            "choice": "One of",
            "multiple-choice": "Any of",
            "number": "Number",
            "text": "Text",
        },
    ),
    "options": Word("Options", "One a line.", rows=2),
    "minimum": Word("Least"),
    "maximum": Word("Most"),
    "required": Word("Required"),
}
RENDERING = {
    "matrix": Word("Frame size", "Rows and columns of every frame.", unit="pixels"),
    "fit": Word("Other aspect ratios", choices={"pad": "Pad", "crop": "Crop"}),
    "detail": Word(
        "Common detail",
        "Bring every scan to so many rows first, so that neither arm shows finer detail. Empty "
        "keeps each scan's own.",
    ),
    "normalisation": Word(
        "Grey values",
        choices={
            "none": "As stored",
            "percentile": "Stretched between percentiles",
            "histogram-match": "Matched to a common histogram",
        },
    ),
    "bits": Word("Bits a pixel"),
    "kernel": Word(
        "Interpolation", choices={"area": "Area", "bicubic": "Bicubic", "lanczos": "Lanczos"}
    ),
    "border_fraction": Word("Masked border", "Share of each side, 0 to 0.2."),
    "mask_markers": Word("Mask side markers and text"),
    "polarity": Word(
        "Polarity", choices={"bones-white": "Bones white", "bones-black": "Bones black"}
    ),
    "grain_matched": Word(
        "Grain up to a level",
        "Brings each case up to the noise level below instead of adding it to all alike.",
    ),
    "grain": Word("Added noise", "Standard deviation as a share of the full range, 0 to 0.1."),
}
PLAN = {
    "primary": Word("Primary endpoint", choices=ENDPOINTS),
    "secondary": Word("Secondary endpoints", choices=ENDPOINTS),
    "chance": Word("Chance level", "0.5 for real / synthetic; 1 / m for a choice among m."),
    "equivalence_margin": Word(
        "Equivalence margin",
        "How far from chance still counts as indistinguishable. Empty: no equivalence test. “Not "
        "significantly different” is no evidence of likeness.",
    ),
    "alpha": Word("Alpha", "Two-sided; equivalence: of each of the two one-sided tests."),
    "multiplicity": Word(
        "Multiplicity",
        "How p-values of declared secondary and subgroup analyses are adjusted.",
        {
            "none": "None",
            "bonferroni": "Bonferroni",
            "holm": "Holm",
            "hochberg": "Hochberg",
            "bh": "Benjamini-Hochberg (false discovery rate)",
            "by": "Benjamini-Yekutieli",
        },
    ),
    "subgroups": Word(
        "Declared subgroups",
        "Anything not declared here is labelled exploratory in the report.",
        {**BALANCE, "reader": "Reader"},
    ),
    "power_statement": Word(
        "Power",
        "Why the study is as large as it is; the planner writes a draft. Needed before the lock.",
        rows=4,
    ),
}
CONSENT = {
    "version": Word("Version"),
    "text": Word("Consent text", "Shown before the first reading. Empty: none is asked.", rows=8),
}
PROTOCOL = {
    "readers_expected": Word("Readers expected"),
    "show_own_score": Word("Show readers their own score when the study is closed"),
    "blinding_limit": Word(
        "Blinding limit",
        "Largest AUC at which a nuisance cue (size, border, brightness ...) may tell the origins "
        "apart without keeping the study from being locked.",
    ),
}
