"""Everything that is looked at before a study is locked. Each check says what to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from readerstudy.studies import wording
from readerstudy.studies.enrolment import sees_the_archive
from readerstudy.studies.lists import draw_lists, is_asked_for_origin
from readerstudy.studies.models import Reader, Study
from readerstudy.studies.ordering import CannotOrder, least_run
from readerstudy.studies.protocol import AnalysisPlan, Phase, Protocol
from readerstudy.studies.randomisation import Item, whole_sets
from readerstudy.studies.sampling import NO_LABEL, Sample, draw, numbered

State = Literal["passed", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. A failed check keeps the study from being locked."""

    key: str
    title: str
    state: State
    message: str
    step: str  # the step of the set-up where it is put right


def run(study: Study, sample: Sample | None = None) -> list[Check]:
    """All checks that need no rendered frame, in the order of the set-up."""
    protocol = Protocol.model_validate(study.protocol)
    sample = sample or draw(protocol.sampling, study.seed)
    return [
        _question(study),
        *_phases(protocol),
        _cases(sample),
        _arms(sample),
        _readers(study, protocol),
        _orders(study, protocol, sample),
        *_plan(protocol),
        _power(protocol),
        _consent(protocol),
    ]


def _question(study: Study) -> Check:
    done = bool(study.question.strip())
    return Check(
        "question",
        "Research question",
        "passed" if done else "failed",
        "Stated." if done else "Write down the question that the study is to answer.",
        "question",
    )


def _phases(protocol: Protocol) -> list[Check]:
    checks = []
    told = False
    for number, phase in enumerate(protocol.phases, 1):
        name = phase.title or f"Phase {number}"
        problem = _phase_problem(phase, told)
        told = told or is_asked_for_origin(phase)
        checks.append(
            Check(
                f"phase-{number}",
                f"Task of {name}",
                "failed" if problem else "passed",
                problem or "Complete.",
                "task",
            )
        )
    return checks


def _phase_problem(phase: Phase, told: bool) -> str:
    form = phase.form
    if phase.task == "single" and not form.judgment:
        return "A real / synthetic task must ask for the judgment; switch it on or change the task."
    if phase.task in ("diagnosis", "quality") and form.judgment:
        return "A purpose-blinded task cannot ask whether a scan is real; switch the judgment off."
    if phase.task in ("diagnosis", "quality") and form.cues.ask:
        return "Cues for “synthetic” would give the purpose away; switch them off in this phase."
    if phase.task == "quality" and form.quality == "none":
        return "A quality task must ask for the quality; choose its scale."
    if phase.task == "diagnosis" and not form.findings.ask and form.quality == "none":
        return "A diagnosis task must ask for findings or for quality."
    if form.findings.ask and not form.findings.terms:
        return "Findings are asked for, but the vocabulary is empty."
    if phase.ask_whether_noticed and told:
        return "“Did you notice anything?” comes too late after a phase that told readers."
    for question in form.questions:
        if question.kind in ("choice", "multiple-choice") and len(question.options) < 2:
            return f"Question “{question.text}” needs at least two options."
    return ""


def _cases(sample: Sample) -> Check:
    if sample.problems:
        return Check("cases", "Cases", "failed", " ".join(sample.problems), "cases")
    acquired, generated = sample.count("acquired"), sample.count("generated")
    return Check(
        "cases",
        "Cases",
        "passed",
        f"{acquired} acquired and {generated} generated scans can be drawn.",
        "cases",
    )


def _arms(sample: Sample) -> Check:
    acquired, generated = sample.count("acquired"), sample.count("generated")
    if acquired and generated:
        odd = min(acquired, generated) / (acquired + generated) < 0.25
        return Check(
            "arms",
            "Both origins",
            "warning" if odd else "passed",
            "Very unequal arms: readers adapt to the share of synthetic scans, which moves the "
            "realism rate."
            if odd
            else "Both are there.",
            "cases",
        )
    missing = "acquired" if not acquired else "generated"
    return Check(
        "arms",
        "Both origins",
        "failed",
        f"There are no {missing} scans: a realism rate cannot be read without the other arm.",
        "cases",
    )


def _readers(study: Study, protocol: Protocol) -> Check:
    enrolled = study.readers.exclude(state=Reader.State.WITHDRAWN).count()
    if not enrolled:
        return Check(
            "readers",
            "Readers",
            "failed",
            "Nobody is enrolled; lists are drawn at lock. Enrol readers or open places for them.",
            "people",
        )
    knowing = [
        reader.code
        for reader in study.readers.exclude(state=Reader.State.WITHDRAWN).select_related("user")
        if reader.user is not None and sees_the_archive(reader.user)
    ]
    if knowing:
        return Check(
            "readers",
            "Readers",
            "failed",
            f"{', '.join(knowing)} may browse the archive, where the origin of every scan stands. "
            "Take that right away, or enrol an account without it.",
            "people",
        )
    if enrolled != protocol.readers_expected:
        return Check(
            "readers",
            "Readers",
            "warning",
            f"{enrolled} are enrolled, the plan expects {protocol.readers_expected}; after lock "
            "readers can only be replaced, not added.",
            "people",
        )
    return Check("readers", "Readers", "passed", f"{enrolled} are enrolled.", "people")


def _orders(study: Study, protocol: Protocol, sample: Sample) -> Check:
    """Draw the very lists that a lock would draw (for as many readers as expected where none is
    enrolled) and see whether they keep every rule."""
    readers = list(
        study.readers.exclude(state=Reader.State.WITHDRAWN).values_list("number", flat=True)
    ) or list(range(1, protocol.readers_expected + 1))
    items, training = trial_items(sample, protocol, study.seed)
    try:
        draw_lists(items, training, readers, protocol, study.seed)
    except CannotOrder as error:
        return Check("order", "Reading lists", "failed", f"{error}.", "design")
    unused = _unused(protocol, items) or _no_practice(protocol, training) or _tight(protocol, items)
    if unused:
        return Check("order", "Reading lists", "warning", unused, "design")
    return Check(
        "order", "Reading lists", "passed", "Can be drawn by the design's rules.", "design"
    )


def trial_items(sample: Sample, protocol: Protocol, seed: int) -> tuple[list[Item], list[Item]]:
    """The sample as the randomisation will see it at lock, numbers included: study cases, training
    cases."""
    items = [
        (
            one.is_training,
            Item(
                number,
                one.candidate.origin,
                tuple(
                    one.stratum
                    if name == "stratum"
                    else "+".join(one.candidate.labels) or NO_LABEL
                    if name == "label"
                    else str(getattr(one.candidate, name))
                    for name in protocol.design.block_strata
                ),
            ),
        )
        for number, one in enumerate(numbered(sample, seed), 1)
    ]
    return (
        [item for training, item in items if not training],
        [item for training, item in items if training],
    )


def _unused(protocol: Protocol, items: list[Item]) -> str:
    counts = Counter(item.origin for item in items)
    for phase in protocol.phases:
        if phase.task != "forced-choice" or protocol.design.allocation != "crossed":
            continue
        sets = whole_sets(counts, phase.alternatives)
        if sets * phase.alternatives < len(items):
            return (
                f"{len(items) - sets * phase.alternatives} scans are left over: a choice among "
                f"{phase.alternatives} wants {phase.alternatives - 1} generated for each acquired."
            )
    return ""


def _no_practice(protocol: Protocol, training: list[Item]) -> str:
    told = next((phase for phase in protocol.phases if is_asked_for_origin(phase)), None)
    if not training or told is None or told.task != "forced-choice":
        return ""
    if whole_sets(Counter(item.origin for item in training), told.alternatives):
        return ""
    return (
        f"{len(training)} training cases hold no whole set for a choice among "
        f"{told.alternatives}: readers get no practice. Ask for more training cases."
    )


def _tight(protocol: Protocol, items: list[Item]) -> str:
    """A run bound at its limit in unequal arms lets readers guess what comes next."""
    counts = Counter(item.origin for item in items)
    arms = counts["acquired"], counts["generated"]
    design = protocol.design
    if min(arms) == max(arms) or not min(arms) or design.longest_run > least_run(*arms):
        return ""
    return (
        f"Runs of at most {design.longest_run} are the shortest that {arms[0]} acquired and "
        f"{arms[1]} generated scans allow: the order is all but fixed and can be guessed. Allow "
        "longer runs, or bring the arms closer together."
    )


def _plan(protocol: Protocol) -> list[Check]:
    plan, phases = protocol.plan, protocol.phases
    checks = []
    problem = ""
    forced = [phase for phase in phases if phase.task == "forced-choice"]
    judged = [phase for phase in phases if phase.task == "single" and phase.form.judgment]
    for endpoint in dict.fromkeys([plan.primary, *plan.secondary]):
        if endpoint.startswith("realism") and not judged:
            problem = f"“{endpoint}” needs a phase with the judgment real / synthetic."
        elif endpoint == "auc" and not any(p.form.confidence != "none" for p in judged):
            problem = "“auc” needs a judgment with confidence; ask for confidence or change it."
        elif endpoint == "accuracy" and not (judged or forced):
            problem = "“accuracy” needs a judgment or a forced choice."
        elif endpoint == "quality-difference" and not any(p.form.quality != "none" for p in phases):
            problem = "“quality-difference” needs a phase that asks for the quality."
    checks.append(
        Check(
            "endpoint",
            "Primary endpoint",
            "failed" if problem else "passed",
            problem
            or f"{wording.ENDPOINTS[plan.primary]}: can be computed from what readers are asked.",
            "analysis",
        )
    )
    if plan.equivalence_margin is not None:
        checks.append(_margin(plan))
    if forced and not judged and plan.primary == "accuracy":
        expected = 1 / forced[0].alternatives
        wrong = abs(plan.chance - expected) > 0.005
        checks.append(
            Check(
                "chance",
                "Chance level",
                "failed" if wrong else "passed",
                f"A choice among {forced[0].alternatives} has chance {expected:.3g}, the plan says "
                f"{plan.chance:.3g}."
                if wrong
                else "Fits the task.",
                "analysis",
            )
        )
    return checks


def _margin(plan: AnalysisPlan) -> Check:
    margin, chance = float(plan.equivalence_margin or 0.0), plan.chance
    impossible = chance - margin <= 0 or chance + margin >= 1
    unused = "realism-generated" not in (plan.primary, *plan.secondary)
    return Check(
        "margin",
        "Equivalence margin",
        "failed" if impossible else "warning" if unused else "passed",
        f"Rates from {chance - margin:g} to {chance + margin:g} would count as indistinguishable, "
        "which no rate can fail on one side; choose a smaller margin."
        if impossible
        else "It belongs to the realism rate of generated scans, which is no declared endpoint: "
        "the test of equivalence will be exploratory."
        if unused
        else f"Within {margin:g} of {chance:g} counts as indistinguishable.",
        "analysis",
    )


def _power(protocol: Protocol) -> Check:
    stated = bool(protocol.plan.power_statement.strip())
    return Check(
        "power",
        "Power",
        "passed" if stated else "failed",
        "Stated."
        if stated
        else "State the power, or why the sample is what it is, with the planner's help.",
        "analysis",
    )


def _consent(protocol: Protocol) -> Check:
    done = bool(protocol.consent.text.strip())
    return Check(
        "consent",
        "Consent",
        "passed" if done else "warning",
        f"Version {protocol.consent.version}." if done else "Readers will not be asked to consent.",
        "people",
    )
