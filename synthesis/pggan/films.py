"""Finding and reading training films: folders, manifests, archives and DICOM.

A film is one frontal radiograph with the patient it is of. Patients matter more than films: a
patient's films never part between training and held-out.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from synthesis.pggan.manifests import DataError as DataError
from synthesis.pggan.manifests import read_manifest

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".pgm", ".webp"}
DICOM_SUFFIXES = {".dcm", ".dicom", ".ima"}
MANIFEST_SUFFIXES = {".csv", ".tsv", ".jsonl"}
TRAIN, HELD_OUT = "train", "held_out"
# Where no table and no DICOM header names the patient: NIH ChestX-ray14 names a film
# <patient>_<follow-up>.png; CheXpert and MIMIC-CXR keep a folder for each patient.
PATIENT_PATTERNS = (r"(?:^|/)(\d{8})_\d{3}[^/]*$", r"(?:^|/)(patient\d+|p\d{8})/")


Place = TypeVar("Place")


@dataclass(frozen=True)
class Film:
    """One film: where its pixels are, whose it is, and the split its source asks for, if any."""

    path: Path
    member: str = ""  # inside a zip archive
    patient: str = ""
    split: str = ""  # train, held_out or empty
    fields: Mapping[str, str] = field(default_factory=dict)
    title: str = ""  # its name within the source, the same wherever the source lies
    size: int = 0  # bytes, to notice another file under the same name

    @property
    def name(self) -> str:
        return self.title or self.member or str(self.path)


def find_films(
    source: str | Path,
    *,
    manifest: str | Path | None = None,
    where: Mapping[str, Sequence[str]] | None = None,
    patient_pattern: str | None = None,
) -> list[Film]:
    """Every film under ``source``, in a fixed order.

    Args:
        source: a folder (searched in depth), a zip archive, one file, or a manifest
            (``.csv``, ``.tsv``, ``.jsonl``); a folder's, or an archive's, own ``manifest.csv`` is
            read when there is one.
        manifest: table of films (see ``manifests``); files are looked for relative to the table,
            then to the source, then by their name anywhere in it.
        where: {column: allowed values}; a cell that lists several, parted by ``|``, fits when one
            of them is allowed.
        patient_pattern: the patient in a file's name or path, as the pattern's first group, where
            neither table nor DICOM header names one; by default those of the public sets.

    Raises:
        DataError: when nothing is found, a table cannot be followed, or names a file that is
            not there.
    """
    source = Path(source)
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    if manifest is None and source.suffix.lower() in MANIFEST_SUFFIXES:
        manifest, source = source, source.parent
    if source.suffix.lower() == ".zip":
        films = _in_archive(source, manifest)
    elif source.is_dir():
        films = _in_folder(source, manifest)
    elif manifest is not None:
        raise DataError(f"{source}: a manifest needs the folder or archive that it lists")
    else:
        films = [Film(source, title=source.name, size=source.stat().st_size)]
    for column, allowed in (where or {}).items():
        if not any(column in film.fields for film in films):
            known = sorted({name for film in films[:1] for name in film.fields})
            raise DataError(
                f"filter {column}: no film has this column; "
                + (f"there are {', '.join(known)}" if known else "a manifest is needed")
            )
        wanted = set(allowed)
        films = [f for f in films if wanted & set(f.fields.get(column, "").split("|"))]
    if not films:
        raise DataError(f"{source}: no film found; images, DICOM files or a manifest are expected")
    try:
        patterns = [re.compile(p) for p in ([patient_pattern] if patient_pattern else [])]
    except re.error as error:
        raise DataError(f"patient pattern {patient_pattern!r}: {error}") from error
    patterns = patterns or [re.compile(p) for p in PATIENT_PATTERNS]
    if not all(pattern.groups for pattern in patterns):
        raise DataError(
            f"patient pattern {patient_pattern!r}: a group in brackets is needed, the patient"
        )
    return [_with_patient(film, patterns) for film in films]


def _is_film(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    return not hidden and path.suffix.lower() in IMAGE_SUFFIXES | DICOM_SUFFIXES


def _is_bare_dicom(path: Path) -> bool:
    """A DICOM file as archives write it: without a suffix, or with a UID's last number as one."""
    if path.name.startswith(".") or (path.suffix and not path.suffix[1:].isdigit()):
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _in_folder(folder: Path, manifest: str | Path | None) -> list[Film]:
    def film(path: Path) -> Film:
        title = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
        return Film(path, title=title, size=path.stat().st_size)

    if manifest is None:
        found = (folder / f"manifest{suffix}" for suffix in sorted(MANIFEST_SUFFIXES))
        manifest = next((path for path in found if path.is_file()), None)
    if manifest is None:
        paths = sorted(p for p in folder.rglob("*") if p.is_file())
        return [film(p) for p in paths if _is_film(p.name) or _is_bare_dicom(p)]
    table = Path(manifest)
    if not table.is_file():
        raise DataError(f"{table}: no such manifest")

    def there(name: str) -> Path | None:
        # A table may name no file outside the folder it speaks of.
        places = (table.parent / name, folder / name)
        return next((p for p in places if p.is_file()), None)

    def everything() -> dict[str, list[Path]]:
        by_name = defaultdict(list)
        for path in folder.rglob("*"):
            by_name[path.name].append(path)
        return by_name

    text = table.read_text(encoding="utf-8-sig")
    return _listed(text, str(table), there, everything, film)


def _in_archive(archive: Path, manifest: str | Path | None) -> list[Film]:
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = {i.filename: i for i in opened.infolist() if not i.is_dir()}
            inside = None
            if manifest is None:
                tables = [n for n in entries if PurePosixPath(n).name in
                          {f"manifest{suffix}" for suffix in MANIFEST_SUFFIXES}]  # fmt: skip
                inside = min(tables, key=lambda n: (n.count("/"), n), default=None)
                text = opened.read(inside).decode("utf-8-sig") if inside else ""
            else:
                text = Path(manifest).read_text(encoding="utf-8-sig")
    except zipfile.BadZipFile as error:
        raise DataError(f"{archive}: no zip archive, or a damaged one ({error})") from error

    def film(name: str) -> Film:
        return Film(archive, name, title=name, size=entries[name].file_size)

    if manifest is None and inside is None:
        return [film(name) for name in sorted(entries) if _is_film(name)]

    def there(name: str) -> str | None:
        beside = str(PurePosixPath(inside).parent / name) if inside else name
        return next((n for n in (beside, name) if n in entries), None)

    def everything() -> dict[str, list[str]]:
        by_name = defaultdict(list)
        for name in entries:
            by_name[PurePosixPath(name).name].append(name)
        return by_name

    title = f"{archive}!{inside}" if inside else str(manifest)
    return _listed(text, title, there, everything, film)


def _listed(
    text: str,
    table: str,
    there: Callable[[str], Place | None],
    everything: Callable[[], Mapping[str, Collection[Place]]],
    film: Callable[[Place], Film],
) -> list[Film]:
    """The films that a table lists, each with its row's columns."""
    films = []
    by_name: Mapping[str, Collection[Place]] | None = None
    for row in read_manifest(text, table):
        if not _is_film(row.file):
            continue
        place = there(row.file)
        if place is None:
            by_name = everything() if by_name is None else by_name
            named = by_name.get(PurePosixPath(row.file).name, [])
            if len(named) != 1:
                what = f"is there {len(named)} times" if named else "is not there"
                raise DataError(f"{table}, row {row.number}: {row.file} {what}")
            place = next(iter(named))
        found = film(place)
        films.append(replace(found, patient=row.patient, split=row.split, fields=row.fields))
    return films


def _with_patient(film: Film, patterns: Sequence[re.Pattern[str]]) -> Film:
    if film.patient:
        return film
    for pattern in patterns:
        if found := pattern.search(film.name):
            return replace(film, patient=found.group(1))
    # Without any sign of the patient, a film is its own patient.
    return replace(film, patient=_patient_of_header(film) or film.name)


def _patient_of_header(film: Film) -> str:
    """A pseudonym of a DICOM file's Patient ID, so that the run's folder holds no identifier."""
    suffix = PurePosixPath(film.member or film.path.name).suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return ""
    from pydicom import dcmread

    try:
        if film.member:
            with zipfile.ZipFile(film.path) as archive, archive.open(film.member) as file:
                header = dcmread(file, stop_before_pixels=True, force=True)
        else:
            header = dcmread(film.path, stop_before_pixels=True, force=True)
        patient = str(header.get("PatientID") or "").strip()
    except Exception:  # a damaged file is refused, with its reason, when its pixels are read
        return ""
    return f"dicom-{hashlib.sha256(patient.encode()).hexdigest()[:16]}" if patient else ""


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
        suffix = PurePosixPath(film.member or film.path.name).suffix.lower()
        is_dicom = suffix in DICOM_SUFFIXES or data[128:132] == b"DICM"
        pixels = _read_dicom(data) if is_dicom else _read_image(data)
        if not np.isfinite(pixels).all():
            raise DataError(f"{film.name}: holds pixels that are not finite")
        return pixels
    except DataError:
        raise
    except UnidentifiedImageError as error:  # its own words name the buffer, not the file
        raise DataError(
            f"{film.name}: cannot be decoded (no image or DICOM file, by its content)"
        ) from error
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
