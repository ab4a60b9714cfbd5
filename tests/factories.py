"""Rows for tests, made through the product's own deeds wherever there is one."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readerstudy.accounts.models import User
from readerstudy.imaging import fingerprints, storage
from readerstudy.imaging.models import Label, Scan
from readerstudy.reading import entering
from readerstudy.reading.form import Answer
from readerstudy.reading.recording import record_reading
from readerstudy.studies import enrolment, lifecycle, locking
from readerstudy.studies.models import Presentation, Study
from readerstudy.studies.protocol import AnalysisPlan, Design, Protocol, Sampling, Stratum

_numbers = itertools.count(1)


def make_user(name: str = "", *, password: str = "correct horse", **fields: Any) -> User:
    """A person who can sign in with ``password``."""
    name = name or f"person{next(_numbers)}"
    fields.setdefault("email", f"{name}@example.org")
    return User.objects.create_user(username=name, password=password, **fields)


def make_researcher(name: str = "", **fields: Any) -> User:
    return make_user(name or f"researcher{next(_numbers)}", is_researcher=True, **fields)


def make_pixels(number: int, size: int = 64, bits: int = 12) -> NDArray[np.uint16]:
    """A small smooth picture with a little noise, different for every number."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[0:size, 0:size] / size
    picture = 0.2 + 0.5 * np.exp(-((x - 0.5) ** 2 + (y - 0.4) ** 2) * 6)
    picture = picture + random.normal(0, 0.02, picture.shape) + 0.1 * random.random()
    return (np.clip(picture, 0, 1) * ((1 << bits) - 1)).astype(np.uint16)


def make_scan(
    origin: str = "acquired", *, labels: tuple[str, ...] = (), size: int = 64, **fields: Any
) -> Scan:
    """A scan with pixels and thumbnail in the storage."""
    number = next(_numbers)
    bits = fields.pop("bits", 12)
    pixels = fields.pop("pixels", None)
    pixels = make_pixels(number, size, bits) if pixels is None else pixels
    digest = fingerprints.pixel_hash(pixels, bits)
    picture = fingerprints.preview(pixels, bits)
    key, thumbnail = storage.pixels_key(digest), storage.thumbnail_key(digest)
    storage.put_pixels(key, pixels, bits)
    storage.put_bytes(thumbnail, fingerprints.thumbnail(picture))
    if origin == "generated":
        fields.setdefault("generator_name", "test generator")
        fields.setdefault("generator_digest", "0" * 64)
    else:
        fields.setdefault("patient_key", f"patient{number}")
    scan = Scan.objects.create(
        origin=origin,
        pixels_key=key,
        thumbnail_key=thumbnail,
        pixel_hash=digest,
        perceptual_hash=fingerprints.perceptual_hash(picture),
        rows=size,
        columns=size,
        bits=bits,
        source_format=fields.pop("source_format", "png"),
        **fields,
    )
    scan.labels.set(Label.objects.get_or_create(name=name)[0] for name in labels)
    return scan


def make_archive(acquired: int = 12, generated: int = 12, **fields: Any) -> list[Scan]:
    """So many scans of each origin."""
    return [make_scan("acquired", **fields) for _ in range(acquired)] + [
        make_scan("generated", **fields) for _ in range(generated)
    ]


def make_protocol(acquired: int = 6, generated: int = 6, **parts: Any) -> Protocol:
    """A protocol that passes every check, with small frames."""
    data: dict[str, Any] = {
        "sampling": Sampling(
            strata=[
                Stratum(name="Acquired", origin="acquired", count=acquired),
                Stratum(name="Generated", origin="generated", count=generated),
            ]
        ),
        "design": Design(block_size=4, longest_run=3),
        "rendering": {"matrix": 64},
        "plan": AnalysisPlan(power_statement="A test."),
        "readers_expected": 2,
    }
    data.update(parts)
    return Protocol.model_validate(
        {k: v.model_dump() if hasattr(v, "model_dump") else v for k, v in data.items()}
    )


def make_study(
    *,
    owner: User | None = None,
    protocol: Protocol | None = None,
    title: str = "A study",
    seed: int = 1,
    **fields: Any,
) -> Study:
    """A draft that could be locked once it has readers and scans."""
    return lifecycle.create(
        title=title,
        question=fields.pop("question", "Are generated scans taken for acquired ones?"),
        protocol=protocol or make_protocol(),
        seed=seed,
        by=owner or make_researcher(),
        **fields,
    )


def make_locked_study(
    *, readers: list[User] | None = None, archive: bool = True, **fields: Any
) -> Study:
    """A locked study with its archive, lists and frames. ``readers`` defaults to two new people."""
    study = make_study(**fields)
    strata = Protocol.model_validate(study.protocol).sampling.strata
    if archive:
        spare = Protocol.model_validate(study.protocol).sampling.training_cases
        for stratum in strata:
            for _ in range(stratum.count + spare):
                make_scan(stratum.origin)
    for user in readers if readers is not None else [make_user(), make_user()]:
        enrolment.enrol(study, user)
    return lock(study)


def lock(study: Study) -> Study:
    """Lock the draft as its owner does, who signs for whatever the blinding audit of a dozen noise
    pictures may find."""
    owner = study.memberships.get(role="owner").user
    return signed(locking.lock(study, by=owner, wait=True))


def signed(study: Study) -> Study:
    """The study locked, where it waits for a signature."""
    if not study.awaits_signature:
        return study
    owner = study.memberships.get(role="owner").user
    found = study.blinding["fingerprint"]
    return locking.sign(study, by=owner, finding=found, reason="test pictures")


def make_open_study(**fields: Any) -> Study:
    """As :func:`make_locked_study`, opened."""
    study = make_locked_study(**fields)
    return lifecycle.open_study(study, by=study.memberships.get(role="owner").user)


def say(study: Study, answer: Answer) -> Presentation:
    """The first reader of an open study begins and says this of the first scan shown."""
    reader = study.readers.order_by("number")[0]
    entering.consent(reader, version="1")
    entering.note_environment(reader, {})
    entering.begin(reader)
    presentation = Presentation.objects.filter(session__reader=reader).order_by("position")[0]
    record_reading(
        reader=reader,
        presentation_id=presentation.public_id,
        client_id=uuid.uuid4(),
        revision=1,
        answer=answer,
    )
    return presentation
