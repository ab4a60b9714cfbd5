"""Finding and reading training films: folders, manifests, archives and DICOM.

A film is one frontal radiograph with the patient it is of. Patients matter more than films: a
patient's films never part between training and held-out.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".pgm", ".webp"}
DICOM_SUFFIXES = {".dcm", ".dicom", ".ima"}
TRAIN, HELD_OUT = "train", "held_out"
# NIH ChestX-ray14 names a film <patient>_<follow-up>.png.
NIH_NAME = r"^(\d{8})_\d{3}"


class DataError(ValueError):
    """Training data that cannot be used; the message names the file, the rule and the way out."""


@dataclass(frozen=True)
class Film:
    """One film: where its pixels are, whose it is, and the split its source asks for, if any."""

    path: Path
    member: str = ""  # inside a zip archive
    patient: str = ""
    split: str = ""  # train, held_out or empty
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.path}!{self.member}" if self.member else str(self.path)


def find_films(
    source: str | Path,
    *,
    manifest: str | Path | None = None,
    where: Mapping[str, Sequence[str]] | None = None,
    patient_pattern: str = NIH_NAME,
) -> list[Film]:
    """Every film under ``source``, in a fixed order.

    Args:
        source: a folder (searched in depth), a zip archive, one file, or a manifest
            (``.csv``, ``.jsonl``); a folder's own ``manifest.csv`` is read when there is one.
        manifest: table of films with a column ``file`` or ``path``, and, where known,
            ``patient_id`` (or ``patient``) and ``split``; paths are relative to the table.
        where: {column: allowed values}; a cell that lists several, parted by ``|``, fits when one
            of them is allowed.
        patient_pattern: the patient in a file's name, as the pattern's first group, where no
            table names it.

    Raises:
        DataError: when nothing is found, or the manifest lacks a needed column or names a file
            that is not there.
    """
    source = Path(source)
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    if manifest is None:
        if source.suffix.lower() in {".csv", ".jsonl"}:
            manifest = source
        elif source.is_dir():
            manifest = next(
                (c for c in (source / "manifest.csv", source / "manifest.jsonl") if c.is_file()),
                None,
            )
    if manifest is not None:
        films = _from_manifest(Path(manifest), source if source.is_dir() else None)
    elif source.suffix.lower() == ".zip":
        with zipfile.ZipFile(source) as archive:
            names = sorted(n for n in archive.namelist() if _is_film(Path(n)))
        films = [Film(source, member=name) for name in names]
    elif source.is_file():
        films = [Film(source)]
    else:
        paths = sorted(p for p in source.rglob("*") if p.is_file() and _is_film(p))
        films = [Film(path) for path in paths]
    for column, allowed in (where or {}).items():
        if not any(column in film.fields for film in films):
            raise DataError(f"filter {column}: no film has this column; a manifest is needed")
        wanted = set(allowed)
        films = [f for f in films if wanted & set(f.fields.get(column, "").split("|"))]
    films = [_with_patient(film, re.compile(patient_pattern)) for film in films]
    if not films:
        raise DataError(f"{source}: no film found; images, DICOM files or a manifest are expected")
    return films


def _is_film(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return path.suffix.lower() in IMAGE_SUFFIXES | DICOM_SUFFIXES


def _with_patient(film: Film, pattern: re.Pattern[str]) -> Film:
    if film.patient:
        return film
    name = Path(film.member).name if film.member else film.path.name
    found = pattern.search(name)
    # Without any sign of the patient, a film is its own patient.
    patient = found.group(1) if found and found.groups() else film.name
    return Film(film.path, film.member, patient, film.split, film.fields)


def _from_manifest(manifest: Path, folder: Path | None) -> list[Film]:
    if not manifest.is_file():
        raise DataError(f"{manifest}: no such manifest")
    text = manifest.read_text(encoding="utf-8-sig")
    if manifest.suffix.lower() == ".jsonl":
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    else:
        rows = list(csv.DictReader(io.StringIO(text)))
    films = []
    for number, row in enumerate(rows, 2):
        fields = {str(k): "" if v is None else str(v) for k, v in row.items() if k}
        name = fields.get("file") or fields.get("path")
        if not name:
            raise DataError(
                f"{manifest}, row {number}: a column 'file' or 'path' with a value is needed; "
                f"found {', '.join(fields)}"
            )
        if not _is_film(Path(name)):
            continue
        path = next(
            (
                candidate
                for candidate in (manifest.parent / name, *([folder / name] if folder else []))
                if candidate.is_file()
            ),
            None,
        )
        if path is None:
            raise DataError(f"{manifest}, row {number}: {name} is not there")
        split = _split_word(fields.get("split", ""), manifest, number)
        patient = fields.get("patient_id") or fields.get("patient") or ""
        films.append(Film(path, "", patient, split, fields))
    return films


def _split_word(word: str, manifest: Path, number: int) -> str:
    word = word.strip().lower().replace("-", "_")
    if word in {"", "train", "training"}:
        return TRAIN if word else ""
    if word in {"held_out", "heldout", "val", "valid", "validation", "test", "dev", "holdout"}:
        return HELD_OUT
    raise DataError(
        f"{manifest}, row {number}: split {word!r}; train, held_out, validation or test expected"
    )


def assign_splits(films: Sequence[Film], *, held_out: float, seed: int) -> list[str]:
    """``train`` or ``held_out`` for each film, whole patients together.

    A patient with a film that the source holds out is held out whole. Patients the source says
    nothing of are held out by a hash of (seed, patient), so that adding films moves nobody.

    Raises:
        DataError: when no film is left to train on.
    """
    if not 0.0 <= held_out < 1.0:
        raise DataError(f"held-out share {held_out}: 0 up to, not including, 1 expected")
    named: dict[str, str] = {}
    for film in films:
        if film.split and named.get(film.patient) != HELD_OUT:
            named[film.patient] = film.split
    splits = []
    for film in films:
        split = named.get(film.patient, "")
        if not split:
            word = hashlib.sha256(f"{seed}:{film.patient}".encode()).digest()
            share = int.from_bytes(word[:8], "big") / 2**64
            split = HELD_OUT if share < held_out else TRAIN
        splits.append(split)
    if TRAIN not in splits:
        raise DataError("every patient is held out; lower the held-out share or check the splits")
    return splits


def read_film(film: Film) -> np.ndarray:
    """Grey pixels, (H, W) float32 in [0, 1], bright bone on dark air.

    Raises:
        DataError: when the file cannot be decoded.
    """
    try:
        if film.member:
            with zipfile.ZipFile(film.path) as archive:
                data = archive.read(film.member)
        else:
            data = film.path.read_bytes()
        name = film.member or film.path.name
        if Path(name).suffix.lower() in DICOM_SUFFIXES or data[128:132] == b"DICM":
            return _read_dicom(data)
        return _read_image(data)
    except DataError:
        raise
    except Exception as error:  # a decoder may raise anything on a damaged file
        raise DataError(f"{film.name}: cannot be decoded ({error})") from error


def _read_image(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
            pixels = np.asarray(image, dtype=np.float32)
            if image.mode.startswith("I;16") or pixels.max() > 255:
                return np.clip(pixels / 65535.0, 0.0, 1.0)
            return np.clip(pixels / (255.0 if pixels.max() > 1 else 1.0), 0.0, 1.0)
        return np.asarray(image.convert("L"), dtype=np.float32) / 255.0


def _read_dicom(data: bytes) -> np.ndarray:
    from pydicom import dcmread
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    dataset = dcmread(io.BytesIO(data), force=True)
    pixels = dataset.pixel_array
    if pixels.ndim == 3 and int(dataset.get("SamplesPerPixel", 1)) == 1:
        pixels = pixels[0]
    if pixels.ndim == 3:
        pixels = pixels.mean(axis=-1)
    values = apply_modality_lut(pixels, dataset)
    if "WindowCenter" in dataset or "VOILUTSequence" in dataset:
        values = np.asarray(apply_voi_lut(values, dataset), dtype=np.float32)
        low, high = float(values.min()), float(values.max())
    else:  # no window recorded: all but the half per cent at either end
        values = np.asarray(values, dtype=np.float32)
        low, high = (float(v) for v in np.percentile(values, [0.5, 99.5]))
    grey = np.clip((values - low) / max(high - low, 1e-6), 0.0, 1.0)
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        grey = 1.0 - grey
    return np.asarray(grey, dtype=np.float32)
