"""Cases from the archive: the protocol's strata, drawn with the study's seed.

Candidates are put into the order of their pixels' hash before anything is drawn, so that the same
scans give the same cases on any machine and database.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from readerstudy.imaging.models import Scan
from readerstudy.studies.errors import CannotDraw, StudyError
from readerstudy.studies.models import Case, Presentation, Session, Study
from readerstudy.studies.ordering import spread
from readerstudy.studies.protocol import Protocol, Sampling, Stratum
from readerstudy.studies.seeds import Draw

NO_LABEL = "No finding"


@dataclass(slots=True)
class Candidate:
    """What drawing needs to know of a scan."""

    scan_id: int
    public_id: str
    pixel_hash: str
    patient: str
    labels: tuple[str, ...]
    origin: str
    view: str
    sex: str
    age: int | None
    generator: str
    generator_digest: str

    def truth(self) -> dict[str, Any]:
        """What is frozen into the case."""
        return {
            "origin": self.origin,
            "generator": self.generator,
            "generator_digest": self.generator_digest,
            "labels": list(self.labels),
            "view": self.view,
            "sex": self.sex,
            "age_years": self.age,
            "pixel_hash": self.pixel_hash,
        }


@dataclass(slots=True)
class Drawn:
    """A scan drawn for a stratum."""

    candidate: Candidate
    stratum: str
    is_training: bool = False


@dataclass(slots=True)
class StratumOutcome:
    """How a stratum could be filled."""

    name: str
    origin: str
    wanted: int
    available: int
    drawn: int = 0


@dataclass(slots=True)
class Sample:
    """The outcome of a draw: scans, and per stratum how many were wanted, there and drawn."""

    drawn: list[Drawn] = field(default_factory=list)
    strata: list[StratumOutcome] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def cases(self) -> list[Drawn]:
        return [one for one in self.drawn if not one.is_training]

    def count(self, origin: str) -> int:
        return sum(one.candidate.origin == origin for one in self.cases)


def matching(stratum: Stratum) -> QuerySet[Scan]:
    """The archive's scans that a stratum may draw from."""
    scans = Scan.objects.filter(origin=stratum.origin)
    if stratum.labels:
        wanted = Scan.objects.filter(labels__name__in=[n for n in stratum.labels if n != NO_LABEL])
        ids = wanted.values("pk")
        scans = (
            scans.filter(pk__in=ids) | scans.filter(labels__isnull=True)
            if NO_LABEL in stratum.labels
            else scans.filter(pk__in=ids)
        )
    if stratum.views:
        scans = scans.filter(view__in=stratum.views)
    if stratum.sexes:
        scans = scans.filter(sex__in=stratum.sexes)
    if stratum.minimum_age is not None:
        scans = scans.filter(age_years__gte=stratum.minimum_age)
    if stratum.maximum_age is not None:
        scans = scans.filter(age_years__lte=stratum.maximum_age)
    if stratum.generators:
        scans = scans.filter(generator_name__in=stratum.generators)
    if stratum.batches:
        scans = scans.filter(batch__public_id__in=stratum.batches)
    if stratum.splits:
        scans = scans.filter(split__in=stratum.splits)
    return scans.distinct()


def candidates(stratum: Stratum, exclude: Iterable[str] = ()) -> list[Candidate]:
    """Every scan of the stratum, less the excluded ones, in an order of their pixels alone."""
    left_out = set(exclude)
    scans = (
        matching(stratum)
        .prefetch_related("labels")
        .only(
            "public_id",
            "pixel_hash",
            "patient_key",
            "origin",
            "view",
            "sex",
            "age_years",
            "generator_name",
            "generator_digest",
        )
    )
    found = [
        Candidate(
            scan_id=scan.pk,
            public_id=str(scan.public_id),
            pixel_hash=scan.pixel_hash,
            patient=scan.patient_key,
            labels=tuple(sorted(label.name for label in scan.labels.all())),
            origin=scan.origin,
            view=scan.view,
            sex=scan.sex,
            age=scan.age_years,
            generator=scan.generator_name,
            generator_digest=scan.generator_digest,
        )
        for scan in scans
        if not {str(scan.public_id), scan.pixel_hash} & left_out
    ]
    return sorted(found, key=lambda candidate: candidate.pixel_hash)


def draw(sampling: Sampling, seed: int) -> Sample:
    """Draw the cases of every stratum, then the training cases, without writing anything.

    Strata draw in the protocol's order; a scan (and, with ``one_scan_a_patient``, a patient) is
    used once. Where a stratum falls short because one before it took what both could use, the
    scarcest draws first. What cannot be filled is named in ``problems``.
    """
    if not sampling.strata:
        problem = "No stratum is defined: say how many scans of which kind to draw."
        return Sample(problems=[problem])
    pools = [candidates(stratum, sampling.exclude) for stratum in sampling.strata]
    order = list(range(len(pools)))
    sample, used = _draw_strata(sampling, pools, order, seed)
    if sample.problems and len(order) > 1:
        by_scarcity = sorted(
            order,
            key=lambda n: (
                _units(pools[n], sampling.one_scan_a_patient) - sampling.strata[n].count,
                n,
            ),
        )
        again, used_again = _draw_strata(sampling, pools, by_scarcity, seed)
        if len(again.drawn) > len(sample.drawn):
            sample, used = again, used_again
    if sampling.training_cases:
        _draw_training(sampling, pools, used, sample, Draw(seed, "training"))
    return sample


def _draw_strata(
    sampling: Sampling, pools: list[list[Candidate]], order: Sequence[int], seed: int
) -> tuple[Sample, _Used]:
    used = _Used(sampling.one_scan_a_patient)
    outcomes: dict[int, tuple[StratumOutcome, list[Candidate]]] = {}
    for number in order:
        stratum, free = sampling.strata[number], used.free(pools[number])
        stream = Draw(seed, "sample", number)
        chosen = _choose(free, stratum, stratum.count, sampling.one_scan_a_patient, stream)
        used.take(chosen)
        there = _units(free, used.by_patient)
        outcome = StratumOutcome(stratum.name, stratum.origin, stratum.count, there, len(chosen))
        outcomes[number] = outcome, chosen
    sample = Sample()
    what = "patients" if sampling.one_scan_a_patient else "scans"
    for _, (outcome, chosen) in sorted(outcomes.items()):
        sample.strata.append(outcome)
        sample.drawn += [Drawn(candidate, outcome.name) for candidate in chosen]
        if outcome.drawn < outcome.wanted:
            sample.problems.append(
                f"Stratum “{outcome.name}” asks for {outcome.wanted} {outcome.origin} scans; the "
                f"archive has {outcome.available} matching {what} that are still free. Ask for "
                "fewer, widen its filters, or import or generate more."
            )
    return sample, used


def _draw_training(
    sampling: Sampling, pools: list[list[Candidate]], used: _Used, sample: Sample, stream: Draw
) -> None:
    total = sum(stratum.count for stratum in sampling.strata)
    wanted = sampling.training_cases
    if wanted > total:
        sample.problems.append(
            f"{wanted} training cases are more than the {total} cases of the study; ask for fewer."
        )
        return
    counts = {number: stratum.count for number, stratum in enumerate(sampling.strata)}
    share = spread(counts, [wanted, total - wanted], stream)[0]
    for number, stratum in enumerate(sampling.strata):
        free = used.free(pools[number])
        chosen = _choose(free, stratum, share[number], sampling.one_scan_a_patient, stream)
        used.take(chosen)
        sample.drawn += [Drawn(one, stratum.name, is_training=True) for one in chosen]
        if len(chosen) < share[number]:
            sample.problems.append(
                f"{share[number]} training cases of stratum “{stratum.name}” are wanted beside its "
                f"{stratum.count} cases, {len(chosen)} scans are left. Ask for fewer."
            )


class _Used:
    """What was drawn already. A scan without a patient key is a patient of its own."""

    def __init__(self, by_patient: bool) -> None:
        self.by_patient = by_patient
        self.scans: set[int] = set()
        self.patients: set[str] = set()

    def take(self, chosen: Iterable[Candidate]) -> None:
        for candidate in chosen:
            self.scans.add(candidate.scan_id)
            if candidate.patient:
                self.patients.add(candidate.patient)

    def free(self, pool: Sequence[Candidate]) -> list[Candidate]:
        return [
            candidate
            for candidate in pool
            if candidate.scan_id not in self.scans
            and not (self.by_patient and candidate.patient in self.patients)
        ]


def _units(pool: Sequence[Candidate], by_patient: bool) -> int:
    return len({c.patient or c.pixel_hash for c in pool}) if by_patient else len(pool)


def _choose(
    pool: Sequence[Candidate], stratum: Stratum, count: int, by_patient: bool, stream: Draw
) -> list[Candidate]:
    """Up to ``count`` of the pool; patients, not scans, are equally likely where one scan each."""
    groups: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in pool:
        own = candidate.patient if by_patient else ""
        groups[own or candidate.pixel_hash].append(candidate)
    if not stratum.balance:
        chosen = stream.shuffled([stream.choice(groups[key]) for key in sorted(groups)])
        return chosen[:count]
    return _balanced(groups, pool, stratum, count, stream)


def _balanced(
    groups: dict[str, list[Candidate]],
    pool: Sequence[Candidate],
    stratum: Stratum,
    count: int,
    stream: Draw,
) -> list[Candidate]:
    """One scan of each of ``count`` groups, evenly over the cells of the balance.

    A patient may have scans in several cells: the scarcest cell chooses first, or a rare finding
    would be lost behind the patient's common ones.
    """
    frequency = Counter(label for candidate in pool for label in candidate.labels)
    cells: dict[tuple[str, ...], dict[str, list[Candidate]]] = defaultdict(dict)
    for group, own in groups.items():
        for candidate in own:
            cells[_cell(candidate, stratum, frequency)].setdefault(group, []).append(candidate)
    most = {key: len(cell) for key, cell in cells.items()}
    while True:
        shares, used, chosen, short = fill_evenly(most, count, stream), set(), [], False
        for key in sorted(cells, key=lambda one: (len(cells[one]), one)):
            free = [group for group in sorted(cells[key]) if group not in used]
            taken = stream.sample(free, min(shares[key], len(free)))
            used |= set(taken)
            chosen += [stream.choice(cells[key][group]) for group in taken]
            if len(taken) < shares[key]:
                most[key], short = len(taken), True
        if not short or sum(most.values()) < count:
            break
    left = [group for group in sorted(groups) if group not in used]
    more = stream.sample(left, min(count - len(chosen), len(left)))
    return chosen + [stream.choice(groups[group]) for group in more]


def _cell(candidate: Candidate, stratum: Stratum, frequency: Counter) -> tuple[str, ...]:
    """The cell of the balance; a scan of several labels counts for the rarest of them."""
    values = []
    for name in stratum.balance:
        if name == "label":
            labels = [n for n in candidate.labels if not stratum.labels or n in stratum.labels]
            values.append(min(labels, key=lambda n: (frequency[n], n)) if labels else NO_LABEL)
        else:
            values.append(getattr(candidate, name))
    return tuple(values)


def fill_evenly(available: dict[tuple[str, ...], int], count: int, stream: Draw) -> Counter:
    """Equal shares of ``count``, less where a cell has fewer; who gets the odd ones is drawn."""
    shares: Counter = Counter()
    left = min(count, sum(available.values()))
    while left:
        open_cells = sorted(key for key in available if shares[key] < available[key])
        each = left // len(open_cells)
        if each == 0:
            for key in stream.sample(open_cells, left):
                shares[key] += 1
            break
        for key in open_cells:
            add = min(each, available[key] - shares[key])
            shares[key] += add
            left -= add
    return shares


def draw_cases(study: Study) -> list[Case]:
    """Write the study's cases, numbered in drawn order so that a number says nothing.

    Raises ``CannotDraw`` when a stratum cannot be filled and ``StudyError`` after lock.
    """
    if study.status != Study.Status.DRAFT:
        raise StudyError(f"The study is {study.status}: its cases were drawn when it was locked.")
    protocol = Protocol.model_validate(study.protocol)
    sample = draw(protocol.sampling, study.seed)
    if sample.problems:
        raise CannotDraw(" ".join(sample.problems))
    with transaction.atomic():
        clear_draw(study)
        return Case.objects.bulk_create(
            Case(
                study=study,
                scan_id=one.candidate.scan_id,
                number=number,
                stratum=one.stratum,
                is_training=one.is_training,
                truth=one.candidate.truth(),
            )
            for number, one in enumerate(numbered(sample, study.seed), 1)
        )


def numbered(sample: Sample, seed: int) -> list[Drawn]:
    """The drawn scans in the order of their case numbers, from 1."""
    by_pixels = sorted(sample.drawn, key=lambda one: one.candidate.pixel_hash)
    return Draw(seed, "case-numbers").shuffled(by_pixels)


def changed_cases(study: Study) -> list[int]:
    """Numbers of the cases whose scan no longer is, by the archive, what was drawn."""
    cases = study.cases.select_related("scan").prefetch_related("scan__labels").order_by("number")
    return [
        case.number
        for case in cases
        if (case.scan.origin, case.scan.pixel_hash, case.scan.generator_digest)
        != tuple(case.truth[key] for key in ("origin", "pixel_hash", "generator_digest"))
        or {label.name for label in case.scan.labels.all()} != set(case.truth["labels"])
    ]


def clear_draw(study: Study) -> None:
    """Forget the cases and lists of a draft."""
    Presentation.objects.filter(session__reader__study=study, repeat_of__isnull=False).delete()
    Presentation.objects.filter(session__reader__study=study).delete()
    Session.objects.filter(reader__study=study).delete()
    study.cases.all().delete()
