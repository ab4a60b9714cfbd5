"""Many phantoms as files with a manifest: training sets, archives, test data."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from synthesis.phantom.dicom import write_dicom
from synthesis.phantom.parameters import draw
from synthesis.phantom.render import Phantom, render

COLUMNS = ("file", "patient", "labels", "view", "sex", "age", "origin", "split")
FORMATS = ("dicom", "png")


@dataclass(frozen=True)
class Entry:
    """One line of the manifest."""

    file: str
    patient: str
    labels: str  # joined by "|"
    view: str
    sex: str
    age: int
    origin: str
    split: str


def write_set(
    out: Path,
    *,
    count: int,
    size: int = 512,
    seed: int = 0,
    file_format: str = "dicom",
    pathology: str | Sequence[str] | None = None,
    masks: bool = False,
    supersample: int = 1,
) -> Iterator[Entry]:
    """Write ``count`` phantoms under ``out``, giving each one's manifest line as it is done.

    Phantom ``i`` is drawn from ``seed + i``, so a set can be extended. PNG is 16-bit with the
    12 bits scaled to the full range. ``supersample`` renders larger and averages down. Raises
    ``ValueError`` for an unknown format or a count below one.
    """
    if file_format not in FORMATS:
        raise ValueError(f"format {file_format!r}: use one of {', '.join(FORMATS)}")
    if count < 1:
        raise ValueError(f"count {count}: at least one phantom must be asked for")
    out.mkdir(parents=True, exist_ok=True)
    for number in range(seed, seed + count):
        phantom = render(draw(number, pathology=pathology), size * supersample)
        patient = f"PH{number:07d}"
        name = f"{patient}.{'dcm' if file_format == 'dicom' else 'png'}"
        if supersample > 1:
            phantom = shrink(phantom, supersample)
        if file_format == "dicom":
            write_dicom(phantom, out / name, patient_id=patient)
        else:
            full = np.rint(phantom.pixels * (65535 / 4095)).astype(np.uint16)
            Image.fromarray(full).save(out / name)
        if masks:
            for label, mask in phantom.masks.items():
                Image.fromarray(mask.astype(np.uint8) * 255).save(
                    out / f"{patient}.{label}.mask.png"
                )
        yield Entry(
            file=name,
            patient=patient,
            labels="|".join(phantom.labels),
            view=phantom.metadata["view"],
            sex=phantom.metadata["sex"],
            age=phantom.metadata["age"],
            origin="acquired",
            split=split_of(number),
        )


def split_of(number: int) -> str:
    """Every tenth patient is held out for tests, the one after it for validation."""
    return {0: "test", 1: "validation"}.get(number % 10, "train")


def shrink(phantom: Phantom, by: int) -> Phantom:
    """Average blocks of ``by`` x ``by`` pixels; a mask keeps a block if any of it was marked."""
    rows, columns = phantom.pixels.shape
    blocks = (rows // by, by, columns // by, by)
    pixels = np.rint(phantom.pixels.reshape(blocks).mean(axis=(1, 3))).astype(np.uint16)
    masks = {
        label: np.asarray(mask.reshape(blocks).any(axis=(1, 3)))
        for label, mask in phantom.masks.items()
    }
    metadata = {**phantom.metadata, "pixel_spacing": phantom.metadata["pixel_spacing"] * by}
    return Phantom(pixels, masks, phantom.labels, metadata, phantom.parameters)


def write_manifest(path: Path, entries: Sequence[Entry]) -> None:
    """Write the manifest as CSV with a header line."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle)
        table.writerow(COLUMNS)
        table.writerows([getattr(entry, name) for name in COLUMNS] for entry in entries)
