"""Which DICOM objects are frontal chest radiographs, and what their headers say of the patient."""

from __future__ import annotations

import re
from typing import Any

from pydicom import Dataset

from readerstudy.imaging.decoding.refusal import Refused

# PS3.4 B.5, storage classes of plain radiographs in one frame.
RADIOGRAPHS = {
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.1.1.1": "DX for processing",
    "1.2.840.10008.5.1.4.1.1.7": "SC",
    "1.2.840.10008.5.1.4.1.1.7.2": "SC multi-frame grey byte",
    "1.2.840.10008.5.1.4.1.1.7.3": "SC multi-frame grey word",
}
_ENCAPSULATED = "1.2.840.10008.5.1.4.1.1.104."
_CHEST = ("CHEST", "THORAX", "LUNG", "RIB", "STERN", "PULMO", "HEART", "WHOLEBODY", "TRUNK")
_LATERAL_POSITIONS = {"LL", "RL", "LLD", "RLD", "LATERAL", "LAT", "L", "RLO", "LLO", "LPO", "RPO"}
_OBLIQUE = {"RLO", "LLO", "LPO", "RPO", "RAO", "LAO"}
_LATERAL_WORD = re.compile(r"(?<![A-Z])(LAT|LATERAL|SEITLICH|PROFIL[E]?)(?![A-Z])")
_FRONTAL_WORD = re.compile(r"(?<![A-Z])(PA|AP|FRONTAL|P\.A\.|A\.P\.)(?![A-Z])")
_FRONTAL_CODES = {  # SNOMED CT / SRT codes of projections in CID 4010 that are frontal
    "R-10206": "AP", "399348003": "AP", "R-10214": "PA", "272479007": "PA",
}  # fmt: skip
_LATERAL_CODES = {"R-10236", "399198007", "R-10232", "399173006", "R-10228", "399067008"}


def refuse_other_objects(dataset: Dataset) -> None:
    """Raise ``Refused`` for what is not one frontal chest radiograph, from the header alone."""
    sop_class = str(dataset.get("SOPClassUID", ""))
    if sop_class.startswith(_ENCAPSULATED) or "EncapsulatedDocument" in dataset:
        raise Refused("pdf", "an encapsulated document (such as a PDF) is not a radiograph")
    if sop_class and sop_class not in RADIOGRAPHS:
        name = getattr(dataset.get("SOPClassUID"), "name", sop_class)
        raise Refused(
            "not-a-radiograph", f"the object is '{name}'; CR, DX and secondary capture are taken"
        )
    frames = _integer(dataset.get("NumberOfFrames")) or 1
    if frames > 1:
        raise Refused("multi-frame", f"the object holds {frames} frames; one radiograph is taken")
    part = _text(dataset, "BodyPartExamined").upper().replace(" ", "")
    if part and not any(word in part for word in _CHEST):
        raise Refused("not-chest", f"Body Part Examined is {part!r}, not the chest")
    if why := _lateral(dataset):
        raise Refused("lateral", f"not a frontal view: {why}")


def _lateral(dataset: Dataset) -> str:
    position = _text(dataset, "ViewPosition").upper()
    if position in _LATERAL_POSITIONS | _OBLIQUE:
        return f"View Position is {position!r}"
    code = _code(dataset, "ViewCodeSequence")
    if code in _LATERAL_CODES:
        return f"View Code is {code!r}"
    if position in ("PA", "AP") or code in _FRONTAL_CODES:
        return ""
    orientation = [str(word).upper() for word in _several(dataset.get("PatientOrientation"))]
    if orientation and orientation[0][:1] in ("A", "P"):
        return f"Patient Orientation is {'/'.join(orientation)!r}: the rows run front to back"
    for keyword in ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription"):
        text = _text(dataset, keyword).upper()
        if _LATERAL_WORD.search(text) and not _FRONTAL_WORD.search(text):
            return f"{keyword} is {text!r}"
    return ""


def view_of(dataset: Dataset) -> str:
    """``PA``, ``AP`` or empty where the header does not say."""
    position = _text(dataset, "ViewPosition").upper()
    if position in ("PA", "AP"):
        return position
    return _FRONTAL_CODES.get(_code(dataset, "ViewCodeSequence"), "")


def sex_of(dataset: Dataset) -> str:
    """``F``, ``M``, ``O`` or empty."""
    sex = _text(dataset, "PatientSex").upper()[:1]
    return sex if sex in ("F", "M", "O") else ""


def age_of(dataset: Dataset) -> int | None:
    """Whole years from Patient's Age (``058Y``, ``018M``), or from birth and study dates."""
    match = re.fullmatch(r"(\d{1,3})([DWMY])", _text(dataset, "PatientAge").upper())
    if match:
        per_year = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}[match[2]]
        return int(int(match[1]) / per_year)
    born, seen = _text(dataset, "PatientBirthDate"), _text(dataset, "StudyDate")
    if re.fullmatch(r"\d{8}", born) and re.fullmatch(r"\d{8}", seen):
        years = int(seen[:4]) - int(born[:4]) - (seen[4:] < born[4:])
        return years if 0 <= years <= 120 else None
    return None


def spacing_of(dataset: Dataset) -> tuple[float | None, str]:
    """Millimetres a pixel in the patient, and where it comes from.

    Pixel Spacing is calibrated to the patient where it differs from Imager Pixel Spacing or says
    so (PS3.3 10.7); Imager Pixel Spacing lies in the detector's plane and is divided by the
    magnification where the header gives one.
    """
    calibrated = _spacing(dataset, "PixelSpacing")
    imager = _spacing(dataset, "ImagerPixelSpacing")
    if calibrated and (
        imager is None or calibrated != imager or "PixelSpacingCalibrationType" in dataset
    ):
        return calibrated, "Pixel Spacing"
    if imager:
        magnification = _number(dataset.get("EstimatedRadiographicMagnificationFactor"))
        if magnification and 1.0 <= magnification < 3.0:
            return imager / magnification, "Imager Pixel Spacing / magnification"
        return imager, "Imager Pixel Spacing (detector plane)"
    scanned = _spacing(dataset, "NominalScannedPixelSpacing")
    return scanned, "Nominal Scanned Pixel Spacing" if scanned else ""


def _spacing(dataset: Dataset, keyword: str) -> float | None:
    values = [_number(value) for value in _several(dataset.get(keyword))]
    if len(values) == 2 and all(value is not None and 0.01 <= value <= 5 for value in values):
        return values[0]
    return None


def _several(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _integer(value: Any) -> int | None:
    number = _number(value)
    return None if number is None or number != number else int(number)


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        value = dataset.get(keyword)
    except Exception:  # a damaged element says nothing
        return ""
    return "" if value is None else str(value).strip()


def _code(dataset: Dataset, keyword: str) -> str:
    sequence = dataset.get(keyword)
    return _text(sequence[0], "CodeValue") if sequence else ""
