"""Everything that is done to one file: sniff, decode, fingerprint, de-identify, spool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from readerstudy.imaging import fingerprints
from readerstudy.imaging.decoding.decoded import Decoded, smallest_type
from readerstudy.imaging.decoding.limits import Limits
from readerstudy.imaging.decoding.refusal import Refused
from readerstudy.imaging.decoding.sniffing import HEAD, kind_of
from readerstudy.imaging.deidentification import Options, deidentify, kept_header
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
        self._mask_text = settings.get("options", {}).get("text") == "mask"
        self._options = Options.from_dict(settings.get("options", {}))

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
        masked = boxes and self._mask_text
        source_hash = fingerprints.pixel_hash(pixels, decoded.bits) if masked else ""
        if masked:
            painted = paint_over(pixels.astype(np.uint16), boxes)
            pixels = smallest_type(painted, decoded.bits)
        picture = fingerprints.preview(pixels, decoded.bits, window)
        np.save(spool.with_suffix(".npy"), pixels, allow_pickle=False)
        spool.with_suffix(".jpg").write_bytes(fingerprints.thumbnail(picture))
        return {
            "pixel_hash": fingerprints.pixel_hash(pixels, decoded.bits),
            "perceptual_hash": fingerprints.perceptual_hash(
                fingerprints.preview(pixels, decoded.bits)
            ),
            "rows": decoded.rows,
            "columns": decoded.columns,
            "bits": decoded.bits,
            "window_centre": None if window is None else window[0],
            "window_width": None if window is None else window[1],
            "spacing_mm": decoded.spacing_mm,
            "source_format": decoded.source_format,
            "view": decoded.view,
            "sex": decoded.sex,
            "age_years": decoded.age_years,
            "patient_id": decoded.patient_id,
            "notes": decoded.notes,
            "source_hash": source_hash,
            "text_boxes": [box.to_dict() for box in boxes],
            **self._header(decoded),
        }

    def _header(self, decoded: Decoded) -> dict[str, Any]:
        """The header as kept, and what was done to it. Runs last: it empties the dataset."""
        if decoded.dataset is None:
            return {"header": {}, "deidentification": {}}
        report = deidentify(decoded.dataset, key=self._key, options=self._options)
        return {"header": kept_header(decoded.dataset), "deidentification": report.to_dict()}
