"""Training films decoded once, into memory-mapped arrays at every size of the growth.

A pyramid is a folder: ``train-0064.npy`` (N, 64, 64) and its like for every size and split, and
``pyramid.json`` with every film, its patient and its split. Held-out films lie in arrays of their
own, so that training cannot come near them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from synthesis.pggan.config import level_of
from synthesis.pggan.films import (
    HELD_OUT,
    TRAIN,
    DataError,
    Film,
    assign_splits,
    find_films,
    read_film,
)

VERSION = 1
REFUSED_LIMIT = 0.05  # of the films; beyond it something is wrong with the source


def square(pixels: np.ndarray, size: int) -> np.ndarray:
    """Centre crop to a square, then resize with an antialiasing filter. -> (size, size) float32"""
    height, width = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    image = Image.fromarray(pixels[top : top + side, left : left + side].astype(np.float32))
    if side != size:
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return np.clip(np.asarray(image, dtype=np.float32), 0.0, 1.0)


def halve(pixels: np.ndarray) -> np.ndarray:
    """2 x 2 box filter. (H, W) -> (H / 2, W / 2)"""
    height, width = pixels.shape
    return pixels.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))


@dataclass(frozen=True)
class Pyramid:
    """An opened pyramid."""

    folder: Path
    about: Mapping[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> Pyramid:
        """Open what ``build`` wrote.

        Raises:
            DataError: when the folder holds no pyramid that this version reads.
        """
        folder = Path(folder)
        try:
            about = json.loads((folder / "pyramid.json").read_text())
        except (OSError, json.JSONDecodeError) as error:
            raise DataError(f"{folder}: no pyramid there ({error})") from error
        if about.get("version") != VERSION:
            raise DataError(f"{folder}: pyramid version {about.get('version')}, {VERSION} expected")
        return cls(folder, about)

    @property
    def resolution(self) -> int:
        return int(self.about["resolution"])

    @property
    def digest(self) -> str:
        return str(self.about["digest"])

    def describe(self) -> str:
        """What is in it, for the person who asked for a training, with what to look at twice."""
        about, patients = self.about, self.about["patients"]
        words = [
            f"{self.count(TRAIN)} films of {patients.get(TRAIN, 0)} patients to train on, "
            f"{self.count(HELD_OUT)} of {patients.get(HELD_OUT, 0)} held out"
        ]
        if all(film["patient"] == film["name"] for film in about["films"]):
            words.append(
                "no patient is known, so each film counts as one; name them in a manifest or by "
                "--patient-pattern"
            )
        if about["refused"]:
            words.append(f"{len(about['refused'])} left out: {'; '.join(about['refused'][:3])}")
        if about["enlarged"]:
            words.append(
                f"{about['enlarged']} of the films read are smaller than {self.resolution} x "
                f"{self.resolution} pixels and were enlarged"
            )
        return "\n".join(words)

    def count(self, split: str = TRAIN) -> int:
        """Films in a split."""
        return len(self.films(split))

    def films(self, split: str = TRAIN) -> list[dict[str, str]]:
        """Name and patient of every film of a split, in the order of its array."""
        return [film for film in self.about["films"] if film["split"] == split]

    def array(self, resolution: int, split: str = TRAIN) -> np.ndarray:
        """Memory-mapped (N, resolution, resolution), uint8 or uint16."""
        if level_of(resolution) > level_of(self.resolution):
            raise DataError(
                f"{self.folder}: the pyramid ends at {self.resolution}, {resolution} was asked for"
            )
        path = self.folder / f"{split}-{resolution:04d}.npy"
        if not self.count(split):  # an empty file cannot be mapped
            return np.empty((0, resolution, resolution), dtype=np.uint8)
        return np.load(path, mmap_mode="r", allow_pickle=False)

    def unit(
        self, resolution: int, indices: Sequence[int] | np.ndarray, split: str = TRAIN
    ) -> np.ndarray:
        """Films as (n, resolution, resolution) float32 in [0, 1]."""
        array = self.array(resolution, split)
        return array[np.asarray(indices)].astype(np.float32) / np.iinfo(array.dtype).max


def split_digest(films: Sequence[Mapping[str, str]]) -> str:
    """SHA-256 over every film's name, patient and split: the identity of the data and its split."""
    lines = "\n".join(f"{f['name']}\t{f['patient']}\t{f['split']}" for f in films)
    return hashlib.sha256(lines.encode()).hexdigest()


def build(
    source: str | Path,
    folder: str | Path,
    resolution: int,
    *,
    manifest: str | Path | None = None,
    where: Mapping[str, Sequence[str]] | None = None,
    patient_pattern: str | None = None,
    held_out: float = 0.1,
    seed: int = 0,
    bits: int = 8,
    workers: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
) -> Pyramid:
    """Decode a source into ``folder``, or open what is there already from the same films.

    Args:
        held_out: share of the patients to keep from training where the source names no split.
        bits: 8, or 16 for sources deeper than a byte.
        on_progress: called with (films done, films in all).

    Raises:
        DataError: when the source cannot be read, or the folder holds a pyramid of other films.
    """
    level_of(resolution)
    if bits not in (8, 16):
        raise DataError(f"bits {bits}: 8 or 16 expected")
    folder = Path(folder)
    films = find_films(source, manifest=manifest, where=where, patient_pattern=patient_pattern)
    splits = assign_splits(films, held_out=held_out, seed=seed)
    wanted = _about(films, splits, resolution, bits)
    if (folder / "pyramid.json").exists():
        existing = Pyramid.open(folder)
        same = ("requested", "resolution", "bits")
        if all(existing.about[key] == wanted[key] for key in same):
            return existing
        raise DataError(
            f"{folder}: holds a pyramid of other films, another split or another size; remove the "
            "folder or name another"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        _fill(room, films, splits, wanted, workers, on_progress)
        room.chmod(0o755)
        room.rename(folder)
    except BaseException:
        shutil.rmtree(room, ignore_errors=True)
        raise
    return Pyramid.open(folder)


def from_array(
    images: np.ndarray,
    folder: str | Path,
    *,
    names: Sequence[str] | None = None,
    patients: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    held_out: float = 0.1,
    seed: int = 0,
    bits: int = 8,
) -> Pyramid:
    """A pyramid from images in memory, (N, size, size) in [0, 1]: phantoms, or a notebook's."""
    count, size, _ = images.shape
    names = names or [f"image-{i:06d}" for i in range(count)]
    patients = patients or names
    given = splits or [""] * count
    films = [
        Film(Path(name), "", patient, split)
        for name, patient, split in zip(names, patients, given, strict=True)
    ]
    assigned = assign_splits(films, held_out=held_out, seed=seed)
    folder = Path(folder)
    if folder.exists():
        raise DataError(f"{folder}: already there; remove it or name another folder")
    folder.mkdir(parents=True)
    wanted = _about(films, assigned, size, bits)
    _fill(folder, films, assigned, wanted, 1, None, pixels=iter(images))
    return Pyramid.open(folder)


def _about(
    films: Sequence[Film], splits: Sequence[str], resolution: int, bits: int
) -> dict[str, Any]:
    rows = [
        {"name": f"{film.name}\t{film.size}", "patient": film.patient, "split": split}
        for film, split in zip(films, splits, strict=True)
    ]
    return {
        "version": VERSION,
        "resolution": resolution,
        "bits": bits,
        "requested": split_digest(rows),  # also of files that will not be readable
    }


def _decoded(films: Sequence[Film], workers: int) -> Iterator[np.ndarray | DataError]:
    """Films in order, decoded a few ahead."""

    def attempt(film: Film) -> np.ndarray | DataError:
        try:
            return read_film(film)
        except DataError as error:
            return error

    with ThreadPoolExecutor(max_workers=max(workers, 1)) as pool:
        queue = iter(films)
        ahead = [pool.submit(attempt, film) for film in islice(queue, 4 * max(workers, 1))]
        while ahead:
            yield ahead.pop(0).result()
            ahead.extend(pool.submit(attempt, film) for film in islice(queue, 1))


def _fill(
    room: Path,
    films: Sequence[Film],
    splits: Sequence[str],
    about: dict[str, Any],
    workers: int,
    on_progress: Callable[[int, int], None] | None,
    pixels: Iterator[np.ndarray] | None = None,
) -> None:
    resolution, bits = about["resolution"], about["bits"]
    kind = np.dtype(np.uint8 if bits == 8 else np.uint16)
    sizes = [4 * 2**level for level in range(level_of(resolution) + 1)]
    raw = {
        (split, size): (room / f"{split}-{size:04d}.raw").open("wb")
        for split in (TRAIN, HELD_OUT)
        for size in sizes
    }
    rows: list[dict[str, str]] = []
    refused: list[str] = []
    enlarged = 0
    source = pixels if pixels is not None else _decoded(films, workers)
    try:
        for done, (film, split, image) in enumerate(zip(films, splits, source, strict=True), 1):
            if isinstance(image, DataError):
                refused.append(str(image))
                continue
            enlarged += min(image.shape) < resolution
            level = square(image, resolution)
            for size in reversed(sizes):
                # Rounded from the unrounded level above, so that errors do not add up.
                stored = np.rint(level * (2**bits - 1)).astype(kind)
                raw[split, size].write(stored.tobytes())
                level = halve(level) if size > 4 else level
            rows.append({"name": film.name, "patient": film.patient, "split": split})
            if on_progress:
                on_progress(done, len(films))
    finally:
        for file in raw.values():
            file.close()
    if not any(row["split"] == TRAIN for row in rows) or len(refused) > REFUSED_LIMIT * len(films):
        shown = "; ".join(refused[:5])
        raise DataError(
            f"{len(refused)} of {len(films)} films cannot be read, and at most "
            f"{REFUSED_LIMIT:.0%} are left out without asking: {shown}; mend or remove them, or "
            "name the others in a manifest"
        )
    for (split, size), file in raw.items():
        count = sum(row["split"] == split for row in rows)
        _as_npy(Path(file.name), (count, size, size), kind)
    about |= {
        "digest": split_digest(rows),
        "films": rows,
        "refused": refused,
        "enlarged": enlarged,
        "patients": {s: len({r["patient"] for r in rows if r["split"] == s}) for s in set(splits)},
    }
    (room / "pyramid.json").write_text(json.dumps(about, indent=1))


def _as_npy(raw: Path, shape: tuple[int, int, int], kind: np.dtype[Any]) -> None:
    """Put the NPY header before raw pixels, copying in flat memory."""
    with open(raw.with_suffix(".npy"), "wb") as target, open(raw, "rb") as source:
        header = {"descr": kind.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(target, header)
        shutil.copyfileobj(source, target, 1 << 22)
    raw.unlink()


class Order:
    """The order films are shown in: a fresh permutation each epoch, a function of the position.

    Nothing is kept but a cache, so a run that resumes at image 12,345 sees the films that the
    unbroken run would have seen.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        self._epoch, self._permutation = -1, np.empty(0, dtype=np.int64)

    def __call__(self, start: int, length: int) -> np.ndarray:
        """Film indices at positions ``start`` to ``start + length - 1``."""
        chosen = np.empty(length, dtype=np.int64)
        for i, position in enumerate(range(start, start + length)):
            epoch, within = divmod(position, self.count)
            if epoch != self._epoch:
                key = np.array([self.seed, epoch], dtype=np.uint64)
                stream = np.random.Generator(np.random.Philox(key=key))
                self._epoch, self._permutation = epoch, stream.permutation(self.count)
            chosen[i] = self._permutation[within]
        return chosen
