"""Where pixels and thumbnails lie.

Pixels are NumPy's own file format, one byte a pixel up to 8 bits and two beyond: written and read
at the speed of the disk, which lossless compression of detector noise (at best 2:1) would cost.
Names come from the pixels' hash, so writing the same scan twice writes the same file.
"""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, default_storage
from numpy.typing import NDArray

from readerstudy.imaging.decoding.decoded import smallest_type
from readerstudy.imaging.models import Scan


def pixels_key(pixel_hash: str) -> str:
    return f"pixels/{pixel_hash[:2]}/{pixel_hash}.npy"


def thumbnail_key(pixel_hash: str) -> str:
    return f"thumbnails/{pixel_hash[:2]}/{pixel_hash}.jpg"


def spool_directory() -> Path:
    """A folder for files on their way into the storage, on the same disk where that is local."""
    if isinstance(default_storage._wrapped, FileSystemStorage):  # type: ignore[attr-defined]
        root = Path(default_storage.location) / "spool"  # type: ignore[attr-defined]
    else:
        root = Path(settings.DATA_DIR) / "spool"
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    return root


def put_file(key: str, path: Path) -> None:
    """Move a local file into the storage under exactly ``key``, in place of what may lie there."""
    if is_local():
        target = Path(default_storage.path(key))
        target.parent.mkdir(parents=True, exist_ok=True)
        os.chmod(path, 0o600)
        shutil.move(path, target)
        return
    with path.open("rb") as file:
        _save(key, File(file))
    path.unlink()


def put_bytes(key: str, content: bytes) -> None:
    """Write ``content`` under exactly ``key``."""
    _save(key, ContentFile(content))


def read_bytes(key: str) -> bytes:
    """What lies under ``key``. Raises ``FileNotFoundError``."""
    with default_storage.open(key) as file:
        return bytes(file.read())


def put_pixels(key: str, pixels: NDArray[Any], bits: int) -> None:
    """Write canonical pixels under exactly ``key``."""
    file = io.BytesIO()
    np.save(file, smallest_type(pixels, bits), allow_pickle=False)
    put_bytes(key, file.getvalue())


def read_pixels(scan: Scan) -> NDArray[np.uint16]:
    """Canonical pixels of ``scan``, rows x columns, 0 .. 2**bits - 1, higher is brighter."""
    with default_storage.open(scan.pixels_key) as file:
        return np.load(file, allow_pickle=False).astype(np.uint16)


def read_thumbnail(scan: Scan) -> bytes:
    """The scan's thumbnail as JPEG."""
    return read_bytes(scan.thumbnail_key)


def remove(scan: Scan) -> None:
    """Delete the files of a scan whose row is gone."""
    for key in (scan.pixels_key, scan.thumbnail_key):
        if key:
            default_storage.delete(key)


def is_local() -> bool:
    return isinstance(default_storage._wrapped, FileSystemStorage)  # type: ignore[attr-defined]


def _save(key: str, content: File) -> None:
    # Django renames on collision; the name is the content's hash, so replacing is right.
    if default_storage.exists(key):
        default_storage.delete(key)
    default_storage.save(key, content)
