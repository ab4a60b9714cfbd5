"""Scans that show nearly the same picture.

A chest film looks like every other chest film, so a perceptual hash alone cries wolf: it proposes
pairs, and the correlation of the two pictures decides. An acquired and a generated scan that agree
so closely mean that the generator has memorised a training film.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import numpy as np
from django.core.files.storage import default_storage
from numpy.typing import NDArray
from PIL import Image

from readerstudy.imaging.models import NearDuplicate, Scan

MOST_BITS = 10
LEAST_CORRELATION = 0.98  # of 64 x 64 pictures, the bound by which radiograph sets are cleaned
_SIDE = 64


def find_near_duplicates(scans: Iterable[Scan]) -> list[NearDuplicate]:
    """Compare ``scans`` with the whole archive, keep what is found, return the new pairs.

    Hashes are compared in one matrix operation a scan; only proposed pairs are looked at.
    """
    rows = list(
        Scan.objects.exclude(perceptual_hash="").values_list("pk", "perceptual_hash", "origin")
    )
    if len(rows) < 2:
        return []
    keys = np.array([row[0] for row in rows])
    hashes = np.array([int(row[1], 16) for row in rows], dtype=np.uint64)
    origins = {row[0]: row[2] for row in rows}
    pictures = _Pictures()
    found: dict[tuple[int, int], NearDuplicate] = {}
    for scan in scans:
        if not scan.perceptual_hash:
            continue
        distance = _bits(hashes ^ np.uint64(int(scan.perceptual_hash, 16)))
        for place in np.flatnonzero(distance <= MOST_BITS):
            other = int(keys[place])
            pair = (min(scan.pk, other), max(scan.pk, other))
            if other == scan.pk or pair in found:
                continue
            correlation = float(np.mean(pictures[scan.pk] * pictures[other]))
            if correlation >= LEAST_CORRELATION:
                found[pair] = NearDuplicate(
                    first_id=pair[0],
                    second_id=pair[1],
                    distance=int(distance[place]),
                    correlation=min(correlation, 1.0),
                    across_origins=origins[pair[0]] != origins[pair[1]],
                )
    before = set(
        NearDuplicate.objects.filter(first_id__in={pair[0] for pair in found}).values_list(
            "first_id", "second_id"
        )
        if len(found) < 500
        else NearDuplicate.objects.values_list("first_id", "second_id")
    )
    new = [row for pair, row in found.items() if pair not in before]
    NearDuplicate.objects.bulk_create(new, ignore_conflicts=True, batch_size=500)
    return new


def _bits(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    return np.bitwise_count(values).astype(np.int64)


class _Pictures:
    """Normalised 64 x 64 pictures from thumbnails, a bounded number of them kept."""

    def __init__(self, most: int = 4000) -> None:
        self._kept: dict[int, NDArray[np.float32]] = {}
        self._most = most

    def __getitem__(self, key: int) -> NDArray[np.float32]:
        if key not in self._kept:
            if len(self._kept) >= self._most:
                self._kept.pop(next(iter(self._kept)))
            name = Scan.objects.values_list("thumbnail_key", flat=True).get(pk=key)
            with default_storage.open(name) as file:
                image = Image.open(io.BytesIO(file.read())).convert("L")
            small = np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float32)
            self._kept[key] = (small - small.mean()) / max(float(small.std()), 1e-6)
        return self._kept[key]


def lots(keys: list[int], size: int = 500) -> Iterator[list[Scan]]:
    """Scans by primary key, a bounded number at a time."""
    for start in range(0, len(keys), size):
        yield list(Scan.objects.filter(pk__in=keys[start : start + size]))
