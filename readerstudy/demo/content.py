"""The demo's people and its two studies: one open to read, one closed and read by simulation."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from readerstudy.accounts.models import User
from readerstudy.audit import trail
from readerstudy.demo.simulated_readers import Population, Said, SimulatedReader
from readerstudy.imaging.models import Scan
from readerstudy.imaging.rendering import RenderingProtocol
from readerstudy.reading import entering
from readerstudy.reading.form import NO_FINDING, Answer, CueSaid, FindingSaid
from readerstudy.reading.recording import record_reading
from readerstudy.studies import enrolment, lifecycle, locking
from readerstudy.studies.models import Presentation, Reader, Study
from readerstudy.studies.protocol import (
    AnalysisPlan,
    Design,
    Findings,
    Form,
    Phase,
    Protocol,
    Sampling,
    Stratum,
)

PASSWORD = "phantom-chest"  # printed by the demo, and used nowhere else
RESEARCHER = "researcher"
READERS = ("reader1", "reader2", "reader3")
SIMULATED_READERS = 6

OPEN_TITLE = "Can you tell? Phantoms and their imitations"
CLOSED_TITLE = "Six simulated readers, one hundred phantoms"

# What the phantoms can have; a list of 14 would ask readers for findings that cannot occur.
_TERMS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Effusion",
    "Emphysema",
    "Mass",
    "Nodule",
    "Pneumothorax",
)

_INSTRUCTIONS = (
    "You will see chest radiographs one at a time. Some are computed by tracing X-rays through a "
    "drawn thorax; these count as real here. The others were painted by a neural network that was "
    "trained on such pictures. Say which you think each one is, and how sure you are."
)

_SIGNED = (
    "Demonstration: a small network's pictures differ from its training pictures in texture, and "
    "the demo shows how the audit says so."
)

Say = Callable[[str], None]


def people() -> None:
    """The researcher and the three readers, with the demo's password. Changes nobody who exists."""
    for username in (RESEARCHER, *READERS):
        if not User.objects.filter(username=username).exists():
            user = User(username=username, is_researcher=username == RESEARCHER)
            user.email = f"{username}@demo.invalid"
            user.set_password(PASSWORD)
            user.save()


def studies(say: Say) -> None:
    """Both studies, unless they are there already."""
    researcher = User.objects.get(username=RESEARCHER)
    if not _complete(CLOSED_TITLE, Study.Status.CLOSED):
        say("a closed study, read by simulated readers")
        closed_study(researcher)
    if not _complete(OPEN_TITLE, Study.Status.OPEN, Study.Status.CLOSED):
        say("an open study, ready to be read")
        open_study(researcher)


def _complete(title: str, *statuses: str) -> bool:
    """Whether the demo study stands. A half-made one, left by an interrupted start, is removed
    while it is a draft and finished otherwise."""
    found = Study.objects.filter(title=title, is_demo=True)
    found.filter(status=Study.Status.DRAFT).delete()
    return found.filter(status__in=statuses).exists()


def open_study(researcher: User) -> Study:
    study = Study.objects.filter(title=OPEN_TITLE, is_demo=True).first() or _locked(
        researcher,
        title=OPEN_TITLE,
        question="Are chest radiographs painted by a small generative network taken for computed "
        "ones by people who read radiographs?",
        seed=2020,
        protocol=_protocol(acquired=15, generated=15, training=2, repeats=0.1, readers=3),
        readers=[User.objects.get(username=name) for name in READERS],
    )
    return lifecycle.open_study(study, by=researcher)


def closed_study(researcher: User) -> Study:
    population = Population()
    people = []
    for number in range(1, SIMULATED_READERS + 1):
        user, _ = User.objects.get_or_create(
            username=f"simulated{number}",
            defaults={"first_name": "Simulated", "last_name": f"reader {number}"},
        )
        if user.has_usable_password():
            user.set_unusable_password()
            user.save()
        people.append(user)
    study = Study.objects.filter(title=CLOSED_TITLE, is_demo=True).first() or _locked(
        researcher,
        title=CLOSED_TITLE,
        question="How does a finished study look? The readers are simulated: "
        + population.describe()
        + ".",
        seed=2021,
        # A programme has no years of experience to tell.
        protocol=_protocol(
            acquired=50, generated=50, training=0, repeats=0.1, readers=6
        ).model_copy(update={"profile_questions": []}),
        readers=people,
    )
    if study.status == Study.Status.LOCKED:
        study = lifecycle.open_study(study, by=researcher)
    trail.record(
        "study.simulated",
        actor=researcher,
        on=study,
        study_id=study.public_id,
        model=population.describe(),
    )
    for reader in study.readers.all():
        simulate(reader, population)
    return lifecycle.close_study(study, by=researcher)


def _protocol(
    *, acquired: int, generated: int, training: int, repeats: float, readers: int
) -> Protocol:
    return Protocol(
        phases=[
            Phase(
                instructions=_INSTRUCTIONS,
                form=Form(
                    findings=Findings.model_validate({"terms": [{"name": t} for t in _TERMS]})
                ),
            )
        ],
        sampling=Sampling(
            strata=[
                Stratum(name="Phantoms", origin="acquired", count=acquired),
                Stratum(name="Painted", origin="generated", count=generated),
            ],
            training_cases=training,
        ),
        design=Design(block_size=6, longest_run=4, repeat_share=repeats, repeat_spacing=8),
        # Both arms are brought to the detail of the generated one: the smallest number of rows.
        rendering=RenderingProtocol(matrix=512, detail=_coarsest(), bits=12),
        plan=AnalysisPlan(
            equivalence_margin=0.1,
            subgroups=["reader"],
            power_statement="A demonstration; no sample size was planned.",
        ),
        readers_expected=readers,
    )


def _coarsest() -> int | None:
    """Rows of the coarsest generated scan, which every case of the demo is brought to."""
    generated = Scan.objects.filter(origin=Scan.Origin.GENERATED).order_by("rows").first()
    return max(16, generated.rows) if generated else None


def _locked(
    researcher: User,
    *,
    title: str,
    question: str,
    seed: int,
    protocol: Protocol,
    readers: list[User],
) -> Study:
    study = lifecycle.create(
        title=title, question=question, protocol=protocol, seed=seed, by=researcher, is_demo=True
    )
    for user in readers:
        enrolment.enrol(study, user, by=researcher)
    study = locking.lock(study, by=researcher, wait=True)
    if study.awaits_signature:
        found = study.blinding["fingerprint"]
        study = locking.sign(study, by=researcher, finding=found, reason=_SIGNED)
    return study


def simulate(reader: Reader, population: Population) -> None:
    """Read the whole list of one simulated reader, session by session."""
    study = reader.study
    form = Protocol.model_validate(study.protocol).phases[0].form
    drawn = SimulatedReader(
        study.seed,
        reader.number,
        [term.name for term in form.findings.terms],
        form.cues.terms,
        population,
    )
    consent = Protocol.model_validate(study.protocol).consent
    if reader.consented_at is None:
        entering.consent(reader, version=consent.version)
    for session in reader.sessions.filter(finished_at__isnull=True):
        entering.note_environment(reader, {"simulated": True})
        presentations = list(
            Presentation.objects.filter(session=session)
            .select_related("case__scan", "repeat_of")
            .prefetch_related("case__scan__labels")
            .order_by("position")
        )
        read = [
            drawn.read(
                str(presentation.case.number),
                generated=presentation.case.scan.origin == Scan.Origin.GENERATED,
                labels=[label.name for label in presentation.case.scan.labels.all()],
                position=presentation.position,
                list_length=len(presentations),
                showing=2 if presentation.repeat_of else 1,
            )
            for presentation in presentations
        ]
        # The session ends now: nothing that was read lies in the future.
        moment = timezone.now() - timedelta(seconds=sum(reading.seconds for reading in read))
        entering.begin(reader, at=moment)
        for presentation, reading in zip(presentations, read, strict=True):
            moment += timedelta(seconds=reading.seconds)
            for revision, said in enumerate(reading.revisions, start=1):
                milliseconds = round(1000 * reading.seconds)
                record_reading(
                    reader=reader,
                    presentation_id=presentation.public_id,
                    client_id=uuid.uuid5(presentation.public_id, str(revision)),
                    revision=revision,
                    answer=_answer(said),
                    timings={
                        "requested": 0,
                        "painted": 40,
                        "first_interaction": round(0.3 * milliseconds),
                        "first_judgment": round(0.7 * milliseconds),
                        "submitted": milliseconds,
                        "active_ms": milliseconds - 40,
                        "judgment_changes": reading.judgment_changes if revision > 1 else 0,
                    },
                    at=moment,
                )
        entering.finish(reader, number=session.number, at=moment)


def _answer(said: Said) -> Answer:
    findings = said.findings or (NO_FINDING,)
    return Answer(
        judgment=said.judgment,
        confidence=said.confidence,
        findings=[FindingSaid(term=term) for term in findings],
        cues=[CueSaid(term=term) for term in said.cues],
    )
