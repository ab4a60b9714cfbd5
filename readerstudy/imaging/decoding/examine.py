"""Everything that is done to one file: sniff, decode, fingerprint, de-identify, spool."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from readerstudy.imaging import fingerprints
from readerstudy.imaging.decoding.decoded import Decoded, smallest_type
from readerstudy.imaging.decoding.limits import Limits
from readerstudy.imaging.decoding.refusal import Refused
from readerstudy.imaging.decoding.sniffing import HEAD, kind_of
from readerstudy.imaging.deidentification import (
    OLDEST_AGE,
    Options,
    Report,
    deidentify,
    kept_header,
)
from readerstudy.imaging.pixel_text import find_text, paint_over


def decode(path: Path, limits: Limits = Limits()) -> Decoded:  # noqa: B008 - frozen
    """Canonical pixels of any file the archive takes. Raises ``Refused``."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise Refused("unreadable", f"the file cannot be read: {error.strerror}") from None
    if size > limits.most_file_bytes:
        raise Refused(
            "too-large", f"the file has {size:,} bytes; at most {limits.most_file_bytes:,} are read"
        )
    kind = kind_of(head)
    if kind == "zip":
        raise Refused("archive", "an archive within an archive: unpack it first")
    if kind == "dicom":
        from readerstudy.imaging.decoding.dicom import decode_dicom

        return decode_dicom(path, limits)
    from readerstudy.imaging.decoding.raster import decode_raster

    return decode_raster(path, kind, limits)


class Examiner:
    """Answers requests of the intake about single files."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.limits = Limits(**settings["limits"])
        self._key = bytes.fromhex(settings["key"])
        options = settings.get("options", {})
        self._mask_text = options.get("text") == "mask"
        # Pixels that wait for a person's review are not yet clean.
        self._options = replace(Options.from_dict(options), clean_pixels=self._mask_text)

    def examine(self, path: Path, spool: Path, request: dict[str, Any]) -> dict[str, Any]:
        """Decode ``path``; leave ``spool``.npy (pixels) and ``spool``.jpg (thumbnail).

        Returns what the archive's row needs, as plain JSON values. Raises ``Refused``.
        """
        if "refuse" in request:
            raise Refused(*request["refuse"])
        decoded = decode(path, self.limits)
        if decoded.pixels.min() == decoded.pixels.max():
            raise Refused("blank", "every pixel has the same grey level: there is nothing to read")
        window = decoded.window
        pixels = smallest_type(decoded.pixels, decoded.bits)
        boxes = find_text(pixels, bits=decoded.bits)
        masked = bool(boxes) and self._mask_text
        digest = source_hash = fingerprints.pixel_hash(pixels, decoded.bits)
        if masked:
            painted = paint_over(pixels.astype(np.uint16), boxes)
            pixels = smallest_type(painted, decoded.bits)
            digest = fingerprints.pixel_hash(pixels, decoded.bits)
        picture = fingerprints.preview(pixels, decoded.bits, window)
        plain = picture if window is None else fingerprints.preview(pixels, decoded.bits)
        np.save(spool.with_suffix(".npy"), pixels, allow_pickle=False)
        spool.with_suffix(".jpg").write_bytes(fingerprints.thumbnail(picture, decoded.pixel_aspect))
        return {
            "pixel_hash": digest,
            "perceptual_hash": fingerprints.perceptual_hash(plain),
            "rows": decoded.rows,
            "columns": decoded.columns,
            "bits": decoded.bits,
            "window_centre": None if window is None else window[0],
            "window_width": None if window is None else window[1],
            "spacing_mm": decoded.spacing_mm,
            "pixel_aspect": decoded.pixel_aspect,
            "source_format": decoded.source_format,
            "source_bytes": path.stat().st_size,
            "view": decoded.view,
            **self._patient(decoded),
            "notes": decoded.notes,
            "source_hash": source_hash if masked else "",
            "text_boxes": [box.to_dict() for box in boxes],
            "says_text": decoded.says_text,
            **self._header(decoded, _said_of_text(len(boxes), masked, decoded.says_text)),
        }

    def _patient(self, decoded: Decoded) -> dict[str, Any]:
        """Sex and age as far as the options let them be kept, and the identifier, which the intake
        turns into a keyed pseudonym at once."""
        kept = self._options.retain_characteristics
        age = decoded.age_years
        return {
            "sex": decoded.sex if kept else "",
            "age_years": min(age, OLDEST_AGE) if kept and age is not None else None,
            "patient_id": decoded.patient_id,
        }

    def _header(self, decoded: Decoded, pixels: str) -> dict[str, Any]:
        """The header as kept, and what was done to it. Runs last: it empties the dataset."""
        if decoded.dataset is None:
            report = Report(profile=NOT_DICOM, removed=decoded.dropped)
            return {"header": {}, "deidentification": {**report.to_dict(), "pixels": pixels}}
        report = deidentify(decoded.dataset, key=self._key, options=self._options)
        header = kept_header(decoded.dataset)
        if self._mask_text:
            header["BurnedInAnnotation"] = "NO"
        return {"header": header, "deidentification": {**report.to_dict(), "pixels": pixels}}


NOT_DICOM = "Not a DICOM file: its pixels are kept, and nothing else it carries"


def _said_of_text(places: int, masked: bool, declared: bool) -> str:
    """The report's line on burned-in text."""
    header = " The header says that there is burned-in text." if declared else ""
    if not places:
        return f"No burned-in text or marker was found.{header}"
    look = "1 place looks" if places == 1 else f"{places} places look"
    became = "painted over from the surroundings" if masked else "listed for review"
    return f"{look} drawn on: {became}.{header}"
