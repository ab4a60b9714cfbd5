"""Which DICOM objects are frontal chest radiographs, and what their headers say of the patient."""

from __future__ import annotations

import re
from dataclasses import dataclass
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
# Modalities of plain radiography, and those that say nothing (converters write OT).
_MODALITIES = {"", "CR", "DX", "DR", "RG", "RF", "OT", "SC", "XR", "DS"}
# In the languages that scanners write Body Part Examined in.
_CHEST = ("CHEST", "THORA", "TORA", "LUNG", "RIB", "STERN", "PULMO", "PULMON", "HEART", "CXR",
          "BRUSTKORB", "WHOLEBODY", "TRUNK", "PECHO")  # fmt: skip
_SPINE = ("SPINE", "LUMBAR", "COLUMN")
_UNSAID = {"UNKNOWN", "OTHER", "NONE", "NA", "N/A", "UNDEFINED", "UNSPECIFIED", "DEFAULT"}
_NOT_FRONTAL = {"LL", "RL", "LLD", "RLD", "L", "RLO", "LLO", "LPO", "RPO", "RAO", "LAO"}
_LATERAL_WORD = re.compile(
    r"(?<![A-Z])(LAT|LATERAL|LATERALE|SEITLICH|PROFIL[E]?|OBL|OBLIQUE|[LR]LAT)(?![A-Z])"
)
_FRONTAL_WORD = re.compile(r"(?<![A-Z])(PA|AP|FRONTAL|P\.A\.|A\.P\.)(?![A-Z])")
_VIEW_WORD = re.compile(r"(?<![A-Z])(PA|AP)(?![A-Z])")
# Codes of CID 4010 (DX View): SNOMED CT, and the SRT codes of older objects.
_FRONTAL_CODES = {
    "R-10206": "AP", "399348003": "AP", "R-10214": "PA", "272479007": "PA", "399033003": "",
}  # fmt: skip
_OTHER_VIEWS = {
    "R-10236": "left lateral", "399173006": "left lateral",
    "R-10232": "right lateral", "R-10228": "right lateral", "399198007": "right lateral",
    "399067008": "lateral", "30730003": "sagittal", "399260004": "medial-lateral",
    "399352003": "lateral-medial", "260427002": "lateral oblique",
    "R-10208": "antero-posterior oblique", "399312000": "antero-posterior oblique",
    "R-10216": "postero-anterior oblique", "399059000": "postero-anterior oblique",
    "399135007": "left anterior oblique", "399006002": "left posterior oblique",
    "399356000": "right anterior oblique", "399038007": "right posterior oblique",
    "399184004": "left oblique", "399236003": "right oblique", "399182000": "oblique",
    "399160007": "frontal oblique", "399255003": "submentovertical",
    "119376003": "tissue specimen", "260499007": "occlusal",
}  # fmt: skip


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
    modality = _text(dataset, "Modality").upper()
    if modality not in _MODALITIES:
        raise Refused(
            "not-a-radiograph", f"Modality is {modality[:16]!r}; CR, DX and the like are taken"
        )
    part = _text(dataset, "BodyPartExamined").upper().replace(" ", "")[:16]
    known = part in _UNSAID or any(word in part for word in _CHEST)
    if part and (not known or any(word in part for word in _SPINE)):
        raise Refused("not-chest", f"Body Part Examined is {part!r}, not the chest")
    if why := _lateral(dataset):
        raise Refused("lateral", f"not a frontal view: {why}")


def _lateral(dataset: Dataset) -> str:
    """Why the view is not frontal, or nothing. Free text is judged and not repeated: it may name
    the patient."""
    position = _text(dataset, "ViewPosition").upper()
    if position in _NOT_FRONTAL or _LATERAL_WORD.search(position):
        return f"View Position is {position[:16]!r}"
    code = _code(dataset, "ViewCodeSequence")
    if code in _OTHER_VIEWS:
        return f"View Code is {code!r}, {_OTHER_VIEWS[code]}"
    if _VIEW_WORD.search(position) or code in _FRONTAL_CODES:
        return ""
    orientation = [str(word).upper() for word in _several(dataset.get("PatientOrientation"))]
    if orientation and orientation[0][:1] in ("A", "P"):
        said = "/".join(word[:3] for word in orientation[:2])
        return f"Patient Orientation is {said!r}: the rows run front to back"
    # Not Study Description: one study often holds both views.
    for keyword in ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription"):
        text = _text(dataset, keyword).upper()
        found = _LATERAL_WORD.search(text)
        if found and not _FRONTAL_WORD.search(text):
            return f"{keyword} says {found[0]!r}"
    return ""


def view_of(dataset: Dataset) -> str:
    """``PA``, ``AP`` or empty where the header does not say."""
    said = set(_VIEW_WORD.findall(_text(dataset, "ViewPosition").upper()))
    if len(said) == 1:
        return str(said.pop())
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
        years = int(seen[:4]) - int(born[:4]) - int(seen[4:] < born[4:])
        return years if 0 <= years <= 120 else None
    return None


@dataclass(frozen=True, slots=True)
class PixelShape:
    """Millimetres from pixel to pixel along a row (``None`` where not known), height of a pixel
    over its width, and the attribute that says so."""

    width_mm: float | None
    aspect: float
    source: str


def pixel_shape(dataset: Dataset) -> PixelShape:
    """The size of a pixel in the patient, and its shape.

    Pixel Spacing is calibrated to the patient where it differs from Imager Pixel Spacing or says
    so (PS3.3 10.7); Imager Pixel Spacing lies in the detector's plane and is divided by the
    magnification where the header gives one. All give the distance of rows first. Pixel Aspect
    Ratio (C.7.6.3.1.7, vertical first) counts where no spacing is given.
    """
    calibrated = _spacing(dataset, "PixelSpacing")
    imager = _spacing(dataset, "ImagerPixelSpacing")
    if calibrated and (
        imager is None or calibrated != imager or "PixelSpacingCalibrationType" in dataset
    ):
        return _shape(calibrated, 1.0, "Pixel Spacing")
    if imager:
        magnification = _number(dataset.get("EstimatedRadiographicMagnificationFactor"))
        if magnification and 1.0 <= magnification < 3.0:
            return _shape(imager, magnification, "Imager Pixel Spacing / magnification")
        return _shape(imager, 1.0, "Imager Pixel Spacing (detector plane)")
    if scanned := _spacing(dataset, "NominalScannedPixelSpacing"):
        return _shape(scanned, 1.0, "Nominal Scanned Pixel Spacing")
    ratio = [_number(value) for value in _several(dataset.get("PixelAspectRatio"))]
    if len(ratio) == 2 and ratio[0] and ratio[1] and 0.1 <= ratio[0] / ratio[1] <= 10:
        return PixelShape(None, squared(ratio[0] / ratio[1]), "Pixel Aspect Ratio")
    return PixelShape(None, 1.0, "")


def squared(aspect: float) -> float:
    """1 where a pixel is square but for rounding in the header."""
    return 1.0 if abs(aspect - 1.0) < 0.002 else aspect


def says_burned_in(dataset: Dataset) -> bool:
    """Whether the header says that there is text about the patient in the pixels."""
    return _text(dataset, "BurnedInAnnotation").upper() == "YES"


def _shape(spacing: tuple[float, float], magnification: float, source: str) -> PixelShape:
    rows, columns = spacing
    return PixelShape(columns / magnification, squared(rows / columns), source)


def _spacing(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    """(between rows, between columns) in millimetres."""
    values = [_number(value) for value in _several(dataset.get(keyword))]
    if len(values) == 2 and all(value is not None and 0.01 <= value <= 5 for value in values):
        rows, columns = float(values[0] or 0), float(values[1] or 0)
        return (rows, columns) if 0.1 <= rows / columns <= 10 else None
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
