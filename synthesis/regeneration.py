"""From a closed study to the next one: the least convincing generated scans, or a whole stratum,
replaced by fresh ones in a new draft. Everything else stays as it was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Max, OuterRef, Subquery
from django.urls import reverse

from readerstudy.audit import trail
from readerstudy.imaging.models import Batch, Scan
from readerstudy.jobs import queue
from readerstudy.jobs.models import Job
from readerstudy.jobs.queue import Running
from readerstudy.reading.models import Reading
from readerstudy.studies import lifecycle, sampling
from readerstudy.studies.models import Case, Study
from readerstudy.studies.protocol import Protocol, Stratum
from synthesis import archive, generation, quota
from synthesis.models import Generator

MOST_EXCLUDED = 20_000
MOST_BARREN_ROUNDS = 3


class NothingToReplace(ValueError):
    """The study does not offer what was asked for."""


@dataclass(frozen=True)
class Convincingness:
    """How often a generated case was taken for real."""

    case: Case
    judged_real: int
    readings: int

    @property
    def score(self) -> float:
        """Posterior mean under a uniform prior, (real + 1) / (n + 2): one reading that was fooled
        does not outrank ten of which nine were."""
        return (self.judged_real + 1) / (self.readings + 2)


def ranking(study: Study) -> list[Convincingness]:
    """The study's generated cases, least convincing first.

    First showings only: a hidden repeat is the same reader again. In forced choice the case that
    was chosen counts as judged real, the others beside it do not. Cases that nobody read come in
    the middle, where the prior puts them.
    """
    real: Counter[int] = Counter()
    read: Counter[int] = Counter()
    for case, judged_real in _judgments(study):
        read[case] += 1
        real[case] += judged_real
    cases = study.cases.filter(scan__origin=Scan.Origin.GENERATED, is_training=False)
    found = [
        Convincingness(case, real[case.pk], read[case.pk])
        for case in cases.select_related("scan").order_by("number")
    ]
    return sorted(found, key=lambda one: (one.score, one.case.number))


def _judgments(study: Study) -> Iterator[tuple[int, bool]]:
    """(case, judged real) of every standing reading of a first showing."""
    standing = (
        Reading.objects.filter(presentation=OuterRef("presentation"), submitted=True)
        .order_by()
        .values("presentation")
        .annotate(highest=Max("revision"))
        .values("highest")
    )
    readings = (
        Reading.objects.filter(
            presentation__session__reader__study=study,
            presentation__is_training=False,
            presentation__repeat_of=None,
            submitted=True,
            revision=Subquery(standing),
        )
        .select_related("presentation")
        .prefetch_related("presentation__alternative_set")
    )
    for reading in readings:
        if reading.judgment:
            yield reading.presentation.case_id, reading.judgment == Reading.Judgment.REAL
        elif reading.choice is not None:
            for shown in reading.presentation.alternative_set.all():
                yield shown.case_id, shown.place == reading.choice


def strata(study: Study) -> list[tuple[str, int]]:
    """Strata that hold generated cases, with how many."""
    counted = Counter(
        study.cases.filter(scan__origin=Scan.Origin.GENERATED, is_training=False).values_list(
            "stratum", flat=True
        )
    )
    return sorted(counted.items())


def usual_generator(study: Study) -> Generator | None:
    """The one that most of the study's generated scans come from."""
    counted = Counter(
        study.cases.filter(scan__origin=Scan.Origin.GENERATED, is_training=False)
        .exclude(scan__generator_digest="")
        .values_list("scan__generator_digest", flat=True)
    )
    digests = [digest for digest, _ in counted.most_common(1)]
    return Generator.objects.filter(digest__in=digests).first()


def to_replace(study: Study, *, least_convincing: int = 0, stratum: str = "") -> list[Case]:
    """The cases to be replaced. Raises ``NothingToReplace`` in words."""
    if study.status != Study.Status.CLOSED:
        raise NothingToReplace(
            f"The study is {study.status}: scans are replaced on what readers said of them, so "
            "close it first."
        )
    ranked = ranking(study)
    if stratum:
        chosen = [one.case for one in ranked if one.case.stratum == stratum]
    else:
        chosen = [one.case for one in ranked if one.readings][:least_convincing]
    if not chosen or (not stratum and len(chosen) < least_convincing):
        read = sum(one.readings > 0 for one in ranked)
        raise NothingToReplace(
            f"{read} generated scans were read in this study; {least_convincing or 'a stratum of'} "
            "cannot be replaced."
        )
    return chosen


def ask(
    study: Study,
    replaced: Sequence[Case],
    generator: Generator,
    *,
    title: str,
    seed: int,
    truncation: float | None,
    device: str,
    by: Any,
    queue_name: str = "celery",
    token: Any = None,
) -> Job:
    """Queue the replacement; a form sent twice is one job.

    Raises ``ValueError`` for a seed, truncation or device that no sampling has.
    """
    wish = generation.Wish(
        count=len(replaced), seed=seed, truncation=truncation, device=device
    )  # checks them
    return queue.submit(
        "synthesis.regenerate",
        title=f"Replace {len(replaced)} scans of {study.title}",
        parameters={
            "study": str(study.public_id),
            "generator": str(generator.public_id),
            "replaced": [case.number for case in replaced],
            "title": title[:200],
            "seed": wish.seed,
            "start": 0,
            "truncation": wish.truncation,
            "device": wish.device,
        },
        by=by,
        total=len(replaced),
        queue=queue_name,
        public_id=token,
    )


def regenerate(job: Running, generator: Generator) -> dict[str, Any]:
    """The worker's part: fresh scans, then the draft. Called again, it makes only what is missing
    and never a second draft."""
    wish = job.parameters
    study = Study.objects.get(public_id=wish["study"])
    replaced = list(
        study.cases.filter(number__in=wish["replaced"]).select_related("scan").order_by("number")
    )
    batch, _ = Batch.objects.get_or_create(
        job=job.row,
        defaults={
            "source": f"Generator {generator.name}, regenerated after {study.title}"[:500],
            "created_by": job.row.created_by,
            "options": {"generator": str(generator.public_id), "after": str(study.public_id)},
        },
    )
    quota.check(generator, len(replaced) - batch.scans.count())
    _fill(job, generator, batch, len(replaced))
    draft = _draft(study, replaced, batch, generator, wish["title"], job.row.created_by)
    job.progress(len(replaced), message=f"The draft “{draft.title}” is ready.")
    return {
        "study": str(draft.public_id),
        "links": [
            {"text": "To the draft", "url": reverse("studies:overview", args=[draft.public_id])},
            {
                "text": "See the new scans",
                "url": f"{reverse('archive:list')}?batch={batch.public_id}",
            },
        ],
    }


def _fill(job: Running, generator: Generator, batch: Batch, wanted: int) -> None:
    """Sample until the batch holds ``wanted`` scans; a latent whose picture the archive holds
    already is passed over for the next."""
    wish, barren = job.parameters, 0
    job.progress(batch.scans.count(), wanted, f"Loading {generator.name}")
    start = wish["start"]
    while (missing := wanted - batch.scans.count()) > 0:
        used = [p.get("index", -1) for p in batch.scans.values_list("provenance", flat=True)]
        start = max([start, *(index + 1 for index in used)])
        asked = generation.Wish(
            count=missing, seed=wish["seed"], start=start, truncation=wish["truncation"],
            device=wish["device"],
        )  # fmt: skip
        made = 0
        for one in generation.generate(generator, asked, batch=batch, job=str(job.row.public_id)):
            made += one.created
            if one.created and one.scan is not None:
                job.progress(
                    batch.scans.count(), message="Sampling", exhibits=[archive.exhibit(one.scan)]
                )
        start += missing
        barren = 0 if made else barren + 1
        if barren >= MOST_BARREN_ROUNDS:
            raise NothingToReplace(
                f"{generator.name} keeps making pictures that the archive holds already: choose "
                "another seed, or another generator."
            )


def _draft(
    study: Study,
    replaced: Sequence[Case],
    batch: Batch,
    generator: Generator,
    title: str,
    by: Any,
) -> Study:
    """The new draft, once: the batch remembers which it became."""
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch.pk)
        if batch.options.get("study"):
            return Study.objects.get(public_id=batch.options["study"])
        draft = lifecycle.create(
            title=title,
            by=by,
            question=study.question,
            protocol=protocol_of_draft(study, replaced, batch),
        )
        batch.options["study"] = str(draft.public_id)
        batch.save(update_fields=["options"])
        trail.record(
            "study.regenerated",
            actor=by,
            on=draft,
            study_id=draft.public_id,
            after=str(study.public_id),
            replaced=[str(case.scan.public_id) for case in replaced],
            generator=generator.name,
            generator_digest=generator.digest,
        )
    return draft


def protocol_of_draft(study: Study, replaced: Sequence[Case], batch: Batch) -> Protocol:
    """The old protocol with the replaced cases' places filled from ``batch``.

    Every other case is kept by leaving out whatever else its stratum could draw, as long as that
    is not more than ``MOST_EXCLUDED`` scans; beyond that the other strata draw afresh. Training
    cases are not taken over: their truth was shown.
    """
    protocol = Protocol.model_validate(study.protocol)
    gone = {case.pk for case in replaced}
    kept = study.cases.filter(is_training=False).exclude(pk__in=gone)
    counts = Counter(kept.values_list("stratum", flat=True))
    fresh = Counter(case.stratum for case in replaced)
    # The fresh strata draw first: where an old filter would take their scans, it comes too late.
    new: list[Stratum] = [
        Stratum(
            name=f"{name or 'generated'}, regenerated"[:100],
            origin="generated",
            count=count,
            batches=[str(batch.public_id)],
            minimum_age=None,
            maximum_age=None,
        )
        for name, count in sorted(fresh.items())
    ]
    old = [
        stratum.model_copy(update={"count": counts[stratum.name]})
        for stratum in protocol.sampling.strata
        if counts[stratum.name]
    ]
    staying = {str(public_id) for public_id in kept.values_list("scan__public_id", flat=True)}
    left_out = set(protocol.sampling.exclude)
    left_out |= {str(case.scan.public_id) for case in replaced}
    left_out |= {
        str(public_id)
        for public_id in study.cases.filter(is_training=True).values_list(
            "scan__public_id", flat=True
        )
    }
    others: set[str] = set()
    for stratum in old:
        pool = sampling.matching(stratum).exclude(batch=batch)
        others |= {str(public_id) for public_id in pool.values_list("public_id", flat=True)}
    others -= staying
    if len(others) <= MOST_EXCLUDED:
        left_out |= others
    changed = protocol.sampling.model_copy(
        update={
            "strata": [*new, *old],
            "exclude": sorted(left_out - staying),
            "training_cases": 0,
        }
    )
    return Protocol.model_validate(protocol.model_copy(update={"sampling": changed}).model_dump())
