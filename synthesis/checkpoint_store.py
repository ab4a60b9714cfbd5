"""Checkpoints in the scan storage, wherever that is, and as the local files that torch reads."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, default_storage, storages

from synthesis.models import Generator


class CheckpointMissing(Exception):
    """The generator's row is there, its file is not (or is another)."""


def checkpoint_key(digest: str) -> str:
    return f"generators/{digest}.safetensors"


def put(key: str, source: Path | bytes | File[Any]) -> None:
    """Store under exactly ``key``, in place of what may lie there."""
    if default_storage.exists(key):
        default_storage.delete(key)
    if isinstance(source, bytes):
        default_storage.save(key, ContentFile(source))
    elif isinstance(source, Path):
        with source.open("rb") as file:
            default_storage.save(key, File(file))
    else:
        default_storage.save(key, source)


@contextmanager
def local(key: str) -> Iterator[Path]:
    """The stored file as a local path: in place on a local storage, a temporary copy elsewhere.

    Raises ``CheckpointMissing`` where nothing lies under ``key``.
    """
    if not default_storage.exists(key):
        raise CheckpointMissing(f"{key} is not in the storage any more")
    if isinstance(storages["default"], FileSystemStorage):
        yield Path(default_storage.path(key))
        return
    with tempfile.TemporaryDirectory(prefix="checkpoint-") as folder:
        path = Path(folder) / Path(key).name
        with default_storage.open(key) as stored, path.open("wb") as file:
            shutil.copyfileobj(stored, file)
        yield path


def sha256(path: Path) -> str:
    """SHA-256 of the file as hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def checkpoint(generator: Generator) -> Iterator[Path]:
    """The generator's own checkpoint, checked against the digest that scans name it by.

    Raises ``CheckpointMissing`` when it is gone or is not the file that was accepted.
    """
    with local(generator.checkpoint_key) as path:
        found = sha256(path)
        if found != generator.digest:
            raise CheckpointMissing(
                f"{generator.name}: the stored checkpoint has the digest {found[:12]}, "
                f"{generator.digest[:12]} was accepted; import the file again"
            )
        yield path
