"""Checkpoints brought on the web: stored, inspected by a worker, accepted by a person."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.urls import reverse

from readerstudy.audit import trail
from readerstudy.jobs import queue
from readerstudy.jobs.queue import Running
from synthesis import checkpoint_store, intake, quota
from synthesis.models import Generator, Upload

State = Upload.State


def receive(file: File[Any], *, by: Any) -> Upload:
    """Store an uploaded checkpoint, unopened, and ask a worker to look at it.

    The web process never reads what is in the file. Raises ``quota.NoRoom``.
    """
    size = int(file.size or 0)
    # The file, its conversion, and the accepted copy.
    quota.check_disk(3 * size, what="The checkpoint and its conversion")
    upload = Upload(file_name=Path(str(file.name)).name[:300], byte_length=size, created_by=by)
    upload.key = _key(upload, "brought")
    checkpoint_store.put(upload.key, file)
    return _submit(upload, by=by)


def bring_from_storage(key: str, *, file_name: str, by: Any) -> Upload:
    """The same for a checkpoint that lies in the storage, such as an unfinished training's."""
    upload = Upload(file_name=file_name, byte_length=default_storage.size(key), created_by=by)
    upload.key = _key(upload, "brought")
    with default_storage.open(key) as file:
        checkpoint_store.put(upload.key, file)
    return _submit(upload, by=by)


def _submit(upload: Upload, *, by: Any) -> Upload:
    with transaction.atomic():
        upload.job = queue.submit(
            "synthesis.inspect",
            title=f"Look at {upload.file_name}",
            parameters={"upload": str(upload.public_id)},
            by=by,
            total=intake.SAMPLES,
        )
        upload.save()
    return upload


def inspect(job: Running) -> dict[str, Any]:
    """The worker's part: recognise, convert, sample; nothing becomes a generator yet."""
    upload = Upload.objects.get(public_id=job.parameters["upload"])
    page = reverse("synthesis:upload", args=[upload.public_id])
    links = {"links": [{"text": "Look and decide", "url": page}]}
    if upload.state != State.INSPECTING:
        return links
    job.progress(0, intake.SAMPLES, "Recognising the format")
    keys: list[str] = []

    def keep(index: int, image: Any) -> None:
        keys.append(intake.store_sample(_key(upload, "samples"), index, image))
        picture = reverse("synthesis:upload-sample", args=[upload.public_id, index])
        job.progress(
            index + 1,
            message="Sampling",
            exhibits=[{"image": picture, "link": page, "caption": f"Latent {index} of seed 0"}],
        )

    with tempfile.TemporaryDirectory(prefix="upload-") as folder:
        converted = Path(folder) / "converted.safetensors"
        try:
            with checkpoint_store.local(upload.key) as path:
                # Samples need their keys in the row before their pictures are asked for.
                upload.sample_keys = [
                    f"{_key(upload, 'samples')}/sample-{n:02d}.png" for n in range(intake.SAMPLES)
                ]
                upload.save(update_fields=["sample_keys"])
                found = intake.inspect(path, converted, on_sample=keep)
        except intake.NotAccepted as error:
            _settle(upload, State.REFUSED, refusal=readable(str(error), upload))
            default_storage.delete(upload.key)
            job.progress(0, message="This file cannot become a generator.", log=upload.refusal)
            return links
        checkpoint_store.put(_key(upload, "converted.safetensors"), converted)
    _settle(upload, State.WAITING, inspection=found.as_json())
    job.progress(intake.SAMPLES, message=f"{found.source_format}: waits for your decision")
    return links


def readable(message: str, upload: Upload) -> str:
    """The loader's words with the file's own name in place of where it lies."""
    return message.replace(Path(upload.key).name, upload.file_name)


def _settle(upload: Upload, state: State, **changes: Any) -> None:
    """Only from ``inspecting``: a decision that a person made meanwhile stands."""
    Upload.objects.filter(pk=upload.pk, state=State.INSPECTING).update(state=state, **changes)
    upload.refresh_from_db()


def accept(upload: Upload, *, name: str, by: Any) -> Generator:
    """Make the inspected upload a generator.

    Raises ``intake.NotAccepted`` (the name is taken, or there is nothing to accept any more) and
    ``quota.NoRoom``.
    """
    if upload.state != State.WAITING:
        raise intake.NotAccepted(f"This upload is {upload.state}: there is nothing to accept.")
    with checkpoint_store.local(_key(upload, "converted.safetensors")) as converted:
        generator, _ = intake.accept(
            intake.Inspection.from_json(upload.inspection),
            converted,
            name=name,
            sample_keys=_moved_samples(upload),
            source_name=upload.file_name,
            by=by,
        )
    upload.state, upload.generator = State.ACCEPTED, generator
    upload.save(update_fields=["state", "generator"])
    _remove_files(upload, samples=False)
    return generator


def discard(upload: Upload, *, by: Any) -> None:
    """Drop the upload and its files."""
    dropped = Upload.objects.filter(
        pk=upload.pk, state__in=[State.INSPECTING, State.WAITING, State.REFUSED]
    ).update(state=State.DISCARDED)
    if not dropped:
        return
    if upload.job is not None:
        queue.cancel(upload.job)
    _remove_files(upload, samples=True)
    trail.record("generator.discarded", actor=by, on=upload, file_name=upload.file_name)


def _moved_samples(upload: Upload) -> list[str]:
    """The samples stay where they are: the generator shows the very pictures that were accepted."""
    return [key for key in upload.sample_keys if default_storage.exists(key)]


def _remove_files(upload: Upload, *, samples: bool) -> None:
    for key in (upload.key, _key(upload, "converted.safetensors")):
        default_storage.delete(key)
    if samples:
        for key in upload.sample_keys:
            default_storage.delete(key)


def _key(upload: Upload, name: str) -> str:
    return f"generators/uploads/{upload.public_id}/{name}"
