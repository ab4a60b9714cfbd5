"""Whether there is room: asked before anything is generated, and again by the worker."""

from __future__ import annotations

import shutil
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages

from readerstudy.imaging.models import Scan
from synthesis.models import Generator

MEBIBYTE = 2**20
THUMBNAIL_BYTES = 24_000


class NoRoom(ValueError):
    """More was asked for than the quota or the disk allows."""


def check(generator: Generator, count: int) -> None:
    """Raise ``NoRoom``, with the numbers and the way out, where ``count`` scans do not fit."""
    check_quota(count)
    check_disk(count * bytes_a_scan(generator), what=f"{count:,} scans of {generator.name}")


def check_quota(count: int) -> None:
    """The installation's limit on generated scans (GENERATED_SCANS_LIMIT, 0 for none)."""
    limit = generated_scans_limit()
    if not limit:
        return
    held = Scan.objects.filter(origin=Scan.Origin.GENERATED).count()
    if held + count > limit:
        left = max(0, limit - held)
        raise NoRoom(
            f"{count:,} scans were asked for, but this installation keeps at most {limit:,} "
            f"generated scans and holds {held:,}: ask for {left:,} or fewer, or raise "
            "GENERATED_SCANS_LIMIT."
        )


def check_disk(needed: int, *, what: str) -> None:
    """Free space for ``needed`` bytes, with a reserve kept. Object stores are not asked."""
    free = free_bytes()
    if free is None:
        return
    reserve = settings.DISK_RESERVE_MIB * MEBIBYTE
    if needed + reserve > free:
        raise NoRoom(
            f"{what} need about {_size(needed)}, but only {_size(max(0, free - reserve))} of the "
            f"storage may be used ({_size(free)} are free, {_size(reserve)} are kept in reserve): "
            "ask for less, or free some space."
        )


def generated_scans_limit() -> int:
    return int(settings.GENERATED_SCANS_LIMIT)


def bytes_a_scan(generator: Generator) -> int:
    """Two bytes a pixel, as stored, and the thumbnail."""
    return 2 * generator.pixels_a_scan + THUMBNAIL_BYTES


def free_bytes() -> int | None:
    """Free bytes where the storage is a local folder, None where it is not."""
    storage = storages["default"]
    if not isinstance(storage, FileSystemStorage):
        return None
    folder = Path(storage.location)
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _size(count: float) -> str:
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while count >= 1024 and len(units) > 1:
        count, units = count / 1024, units[1:]
    return f"{count:.0f} B" if units[0] == "B" else f"{count:.1f} {units[0]}"
