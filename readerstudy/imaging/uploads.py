"""Files that a browser sends, one request each: a broken connection loses one file, not the batch.

They wait in the spool under the upload's random id until the researcher starts the import, and are
deleted when it has ended.
"""

from __future__ import annotations

import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from readerstudy.imaging.decoding.limits import Limits
from readerstudy.imaging.storage import spool_directory

MOST_ZIP_BYTES = 64 << 30
FORGOTTEN_AFTER = 7 * 24 * 3600.0  # seconds


class UploadRefused(Exception):
    """A file that is not stored."""


def folder_of(upload: uuid.UUID) -> Path:
    """Where the files of an upload lie."""
    return spool_directory() / "uploads" / str(upload)


def safe_name(name: str) -> str:
    """A relative path below the upload's folder, whatever the browser called the file.

    Raises ``UploadRefused`` when nothing usable is left of it.
    """
    cleaned = re.sub(r"[\x00-\x1f<>:\"|?*]", "_", name.replace("\\", "/"))
    parts = [part.strip()[-150:] for part in PurePosixPath(cleaned).parts]
    parts = [part for part in parts if part.strip(". /")][-8:]
    if not parts:
        raise UploadRefused(f"{name!r} is no file name")
    return "/".join(parts)


def store(upload: uuid.UUID, name: str, content: IO[bytes], size: int) -> int:
    """Write one file whole, or not at all. Returns its size in bytes.

    Raises ``UploadRefused`` for a file that is too large, that does not fit on the disk, or that
    arrived shorter than ``size``.
    """
    safe = safe_name(name)
    target = folder_of(upload) / safe
    most = MOST_ZIP_BYTES if safe.lower().endswith(".zip") else Limits().most_file_bytes
    if size > most:
        raise UploadRefused(f"{name}: {size:,} bytes; at most {most:,} are taken")
    folder_of(upload).mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder_of(upload)).free < 2 * size + (1 << 28):
        raise UploadRefused(f"{name}: the server's disk is nearly full; nothing was stored")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UploadRefused(f"{name}: a file and a folder have the same name") from None
    partial = target.with_name(f".{uuid.uuid4().hex}.partial")
    written = 0
    try:
        with partial.open("wb") as file:
            while piece := content.read(1 << 20):
                written += len(piece)
                file.write(piece)
        if written != size:
            raise UploadRefused(f"{name}: {written:,} of {size:,} bytes arrived; send it again")
        partial.replace(target)
    except IsADirectoryError:
        raise UploadRefused(f"{name}: a file and a folder have the same name") from None
    finally:
        partial.unlink(missing_ok=True)
    return written


def stored(upload: uuid.UUID) -> Iterator[tuple[str, int]]:
    """Name and size of each file that has arrived whole."""
    root = folder_of(upload)
    for path in sorted(root.rglob("*")) if root.exists() else []:
        if path.is_file() and not path.name.endswith(".partial"):
            yield path.relative_to(root).as_posix(), path.stat().st_size


def discard(upload: uuid.UUID) -> None:
    """Delete an upload's files."""
    shutil.rmtree(folder_of(upload), ignore_errors=True)


def discard_forgotten() -> int:
    """Delete uploads that nobody has added to for a week. Returns how many."""
    root, count = spool_directory() / "uploads", 0
    for folder in root.iterdir() if root.exists() else []:
        newest = max((path.stat().st_mtime for path in folder.rglob("*")), default=0.0)
        if time.time() - max(newest, folder.stat().st_mtime) > FORGOTTEN_AFTER:
            shutil.rmtree(folder, ignore_errors=True)
            count += 1
    return count
