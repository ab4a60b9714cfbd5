"""Open studies with a known list, ready to be read: rows and frames made directly."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from numpy.typing import NDArray

from readerstudy.accounts.models import User
from readerstudy.imaging import frames
from readerstudy.imaging.models import Scan
from readerstudy.reading.models import Environment
from readerstudy.studies.models import (
    Alternative,
    Case,
    Frame,
    Presentation,
    Reader,
    Session,
    Study,
)
from readerstudy.studies.protocol import Phase, Protocol
from tests.factories import make_user

Picture = Callable[[int], NDArray[np.uint16]]


@dataclass
class ReadingRoom:
    """A study that is open, and its first reader."""

    study: Study
    readers: list[Reader]
    cases: list[Case]
    users: list[User] = field(default_factory=list)

    @property
    def reader(self) -> Reader:
        return self.readers[0]

    @property
    def user(self) -> User:
        return self.users[0]

    @property
    def session(self) -> Session:
        return self.reader.sessions.order_by("number")[0]

    def presentations(self, session: int = 1, reader: int = 0) -> list[Presentation]:
        sitting = self.readers[reader].sessions.get(number=session)
        return list(sitting.presentations.order_by("position"))


def noise(number: int, size: int = 64, bits: int = 12) -> NDArray[np.uint16]:
    """A smooth picture with a little noise, different for every number."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[0:size, 0:size] / size
    picture = 0.15 + 0.7 * np.exp(-((x - 0.5) ** 2 + (y - 0.4) ** 2) * 5)
    picture = picture + random.normal(0, 0.01, picture.shape)
    return (np.clip(picture, 0, 1) * ((1 << bits) - 1)).astype(np.uint16)


def make_room(
    *,
    cases: int = 6,
    training: int = 0,
    repeats: Sequence[int] = (),
    sessions: int = 1,
    readers: int = 1,
    alternatives: int = 0,
    phases: list[Phase] | None = None,
    picture: Picture = noise,
    bits: int = 12,
    entered: bool = True,
    password: str = "correct horse",
    title: str = "Chest radiographs, first reading",
    **protocol: Any,
) -> ReadingRoom:
    """An open study: acquired and generated cases in turn, shown in the order of their numbers.

    ``training`` cases come first; ``repeats`` are indices of cases that come again at the end;
    ``alternatives`` places show that many cases side by side; each phase has ``sessions`` sittings.
    ``entered``: consent, profile and reading conditions are given and the first session begun.
    """
    protocol.setdefault("profile_questions", [])
    rules = Protocol(phases=phases or [Phase()], **protocol)
    study = Study.objects.create(title=title, protocol=rules.model_dump(mode="json"))
    made = [
        _case(study, number, number <= training, picture, bits)
        for number in _count(cases, training)
    ]
    _frames(made, picture, bits)
    practice, counted = made[:training], made[training:]
    room = ReadingRoom(study, [], made)
    for number in range(1, readers + 1):
        user = make_user(password=password)
        reader = Reader.objects.create(study=study, user=user, number=number)
        room.users.append(user)
        room.readers.append(reader)
        sitting = 0
        for index in range(len(rules.phases)):
            for _ in range(sessions):
                sitting += 1
                session = Session.objects.create(reader=reader, number=sitting, phase=index)
                _list(session, practice, counted, repeats, alternatives)
        if entered:
            enter(reader)
    digest = hashlib.sha256(b"test").hexdigest()
    for status in ("locked", "open"):
        study.status, study.lock_digest = status, digest
        study.locked_at = study.locked_at or timezone.now()
        study.save()
    return room


def enter(reader: Reader) -> None:
    """Everything before the first case is done."""
    rules = Protocol.model_validate(reader.study.protocol)
    reader.consented_at = timezone.now()
    reader.consent_version = rules.consent.version
    reader.profile = {"answered": True}
    reader.save()
    for session in reader.sessions.all():
        Environment.objects.create(session=session, record={"kind": "declared"})
    first = reader.sessions.order_by("number")[0]
    first.started_at = timezone.now()
    first.save()


def _count(cases: int, training: int) -> range:
    return range(1, cases + training + 1)


def _case(study: Study, number: int, training: bool, picture: Picture, bits: int) -> Case:
    origin = "generated" if number % 2 == 0 else "acquired"
    pixels = picture(number)
    scan = Scan.objects.create(
        origin=origin,
        pixels_key=f"pixels/{study.public_id}-{number}",
        pixel_hash=hashlib.sha256(f"{study.public_id}{number}".encode()).hexdigest(),
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        bits=bits,
        source_format="png",
    )
    labels = ["Effusion"] if number % 3 == 0 else []
    return Case.objects.create(
        study=study,
        scan=scan,
        number=number,
        is_training=training,
        truth={"origin": origin, "labels": labels},
    )


def _frames(cases: list[Case], picture: Picture, bits: int) -> None:
    """Encodes all frames, padded to one length."""
    containers = [frames.encode(picture(case.number), bits=bits) for case in cases]
    length = max(map(len, containers), default=0)
    for case, container in zip(cases, containers, strict=True):
        content = frames.pad(container, length)
        key = f"frames/{case.public_id}"
        default_storage.save(key, ContentFile(content))
        Frame.objects.create(
            case=case,
            storage_key=key,
            sha256=hashlib.sha256(content).hexdigest(),
            pixels_sha256=hashlib.sha256(picture(case.number).tobytes()).hexdigest(),
            byte_length=length,
        )


def _list(
    session: Session,
    practice: list[Case],
    counted: list[Case],
    repeats: Sequence[int],
    alternatives: int,
) -> None:
    position = 0

    def place(shown: list[Case], **fields: Any) -> Presentation:
        nonlocal position
        position += 1
        made = Presentation.objects.create(
            session=session, position=position, case=shown[0], **fields
        )
        if len(shown) > 1:
            for number, case in enumerate(shown, 1):
                Alternative.objects.create(presentation=made, case=case, place=number)
        return made

    if alternatives:
        for start in range(0, len(counted) - alternatives + 1, alternatives):
            place(counted[start : start + alternatives])
        return
    for case in practice:
        place([case], is_training=True)
    first = [place([case]) for case in counted]
    for index in repeats:
        place([counted[index]], repeat_of=first[index])
