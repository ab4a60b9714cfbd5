"""DICOM headers without the patient: PS3.15 Annex E. No Django.

The Basic Application Level Confidentiality Profile always applies; options add to it. What the
archive keeps of a header is a short list on top of that (``confidentiality.KEPT_KEYWORDS``), so an
attribute the standard overlooks does not slip through.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Literal

from pydicom import DataElement, Dataset, Sequence
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.tag import BaseTag, Tag

from readerstudy.imaging.confidentiality import (
    DEVICE_IDENTITY,
    EDITION,
    KEPT_KEYWORDS,
    PATIENT_CHARACTERISTICS,
    Action,
    basic_action,
)

OLDEST_AGE = 90  # ages above 89 can single a person out (45 CFR 164.514(b)(2)(i)(C))
LONGEST_SHIFT = 3650  # days
CLEAN_PIXELS = "Clean Pixel Data Option"

_PIXELS = {0x7FE00008, 0x7FE00009, 0x7FE00010}
_BIRTH = {0x00100030, 0x00100032, 0x00100033, 0x00100034, 0x00100035}
_TEXT = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
_DUMMY: dict[str, Any] = {
    "DA": "19000101", "DT": "19000101000000", "TM": "000000", "AS": "000Y", "DS": "0", "IS": "0",
    "PN": "ANONYMOUS", "CS": "ANONYMIZED", "AE": "ANONYMIZED", "UR": "about:blank",
    "FD": 0.0, "FL": 0.0, "SL": 0, "SS": 0, "UL": 0, "US": 0, "SV": 0, "UV": 0, "AT": 0,
    "OB": b"\0\0", "OW": b"\0\0", "OD": b"\0" * 8, "OF": b"\0" * 4, "OL": b"\0" * 4,
    "OV": b"\0" * 8, "UN": b"\0\0",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """What is retained beyond the Basic Profile, and what else is done.

    ``dates``: "shift" moves all dates of a patient by the same keyed number of days (Retain
    Longitudinal Temporal Information With Modified Dates), "remove" follows the Basic Profile.
    ``safe_private``: private attributes to keep, as "gggg,ee,creator" (hexadecimal group, last
    two digits of the element, private creator).
    """

    retain_device: bool = False
    retain_characteristics: bool = True
    clean_pixels: bool = True
    dates: Literal["shift", "remove"] = "shift"
    safe_private: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Options:
        """Options out of a JSON object; keys of others are passed over."""
        known = {one.name for one in fields(cls)}
        chosen = {name: value for name, value in values.items() if name in known}
        if "safe_private" in chosen:
            chosen["safe_private"] = tuple(chosen["safe_private"])
        return cls(**chosen)

    def codes(self) -> list[tuple[str, str]]:
        """Codes of CID 7050 for De-identification Method Code Sequence (0012,0064)."""
        codes = [("113100", "Basic Application Confidentiality Profile")]
        if self.clean_pixels:
            codes.append(("113101", CLEAN_PIXELS))
        if self.dates == "shift":
            codes.append(
                ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
            )
        if self.retain_characteristics:
            codes.append(("113108", "Retain Patient Characteristics Option"))
        if self.retain_device:
            codes.append(("113109", "Retain Device Identity Option"))
        if self.safe_private:
            codes.append(("113111", "Retain Safe Private Option"))
        return codes


@dataclass(slots=True)
class Report:
    """What was done to one file, without any value that was there."""

    profile: str = f"DICOM PS3.15 {EDITION}, Basic Application Level Confidentiality Profile"
    options: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    uids: list[str] = field(default_factory=list)
    shifted: list[str] = field(default_factory=list)
    retained: list[str] = field(default_factory=list)
    private_removed: int = 0
    pixels: str = ""
    private_kept: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Pseudonymiser:
    """Keyed and repeatable replacements: the same key and input give the same output."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def uid(self, uid: str) -> str:
        """A UID below 2.25 (PS3.5 B.2), from 128 bits of the keyed hash of ``uid``."""
        return f"2.25.{int.from_bytes(self._hash('uid', uid)[:16], 'big')}"

    def days(self, patient: str) -> int:
        """How many days a patient's dates move back: 1 to 3650."""
        return 1 + int.from_bytes(self._hash("days", patient)[:8], "big") % LONGEST_SHIFT

    def patient(self, identifier: str) -> str:
        """32 hex digits; empty for an empty identifier."""
        identifier = identifier.strip()
        return self._hash("patient", identifier).hex()[:32] if identifier else ""

    def _hash(self, purpose: str, text: str) -> bytes:
        return hmac.new(self._key, f"{purpose}:{text}".encode(), hashlib.sha256).digest()


def deidentify(dataset: Dataset, *, key: bytes, options: Options | None = None) -> Report:
    """De-identify ``dataset`` in place (pixel data is not touched) and say what was done.

    Attributes whose value cannot be read are removed: what cannot be read cannot be cleared.
    """
    options = options or Options()
    names = Pseudonymiser(key)
    patient = _patient(dataset)
    report = Report(options=[name for _, name in options.codes()[1:]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # malformed values are expected, and go
        _clear(dataset, "", options, names, names.days(patient), report)
        _mark(dataset, patient, options, names)
    meta = getattr(dataset, "file_meta", None)
    if meta is not None:
        _clear_meta(meta, dataset)
    return report


def kept_header(dataset: Dataset) -> dict[str, Any]:
    """The few attributes that the archive keeps of a de-identified dataset, as JSON values."""
    header: dict[str, Any] = {}
    for tag, keyword in _kept_tags():
        if tag not in dataset or (element := dataset[tag].value) is None:
            continue
        if (plain := _plain(element)) not in (None, ""):
            header[keyword] = plain
    return header


@lru_cache(maxsize=1)
def _kept_tags() -> tuple[tuple[BaseTag, str], ...]:
    return tuple((Tag(keyword), keyword) for keyword in KEPT_KEYWORDS)


def _clear(
    dataset: Dataset,
    path: str,
    options: Options,
    names: Pseudonymiser,
    days: int,
    report: Report,
) -> None:
    creators = _private_creators(dataset)
    for tag in list(dataset.keys()):
        number = int(tag)
        if number in _PIXELS:
            continue
        label = path + (keyword_for_tag(tag) or f"({tag.group:04X},{tag.element:04X})")
        if tag.is_private:
            kept = _safe_private(tag, creators, options)
            # A vendor's sequence may hold anybody's name: only plain values can be safe-listed.
            if kept and not _is_sequence(dataset, tag):
                report.private_kept.append(label)
            else:
                del dataset[tag]
                report.private_removed += not (tag.is_private_creator)
            continue
        if _goes_unread(number, options):
            del dataset[tag]
            report.removed.append(label)
            continue
        try:
            element = dataset[tag]
            empty = element.is_empty
        except Exception:  # whatever pydicom's value parsers raise
            del dataset[tag]
            report.removed.append(f"{label} (unreadable)")
            continue
        action = _action(number, element, options)
        if action == "shift":
            moved = _shift(element, days)
            if moved is None:
                action = "empty" if basic_action(number) != "remove" else "remove"
            else:
                element.value = moved
                report.shifted.append(label)
                continue
        if action in ("keep", None):
            if action == "keep":
                report.retained.append(label)
                _coarsen(element)
            _descend(element, label, options, names, days, report)
        elif action == "remove":
            del dataset[tag]
            report.removed.append(label)
        elif empty:
            continue
        elif action == "uid":
            if element.VR == "SQ":
                _descend(element, label, options, names, days, report)
            else:
                _replace_uids(element, names)
            report.uids.append(label)
        elif action == "empty":
            element.value = Sequence() if element.VR == "SQ" else None
            report.emptied.append(label)
        else:
            _replace(dataset, element)
            report.replaced.append(label)


def _goes_unread(number: int, options: Options) -> bool:
    """Whether an attribute is removed whatever it holds: most are, and need not be parsed."""
    if basic_action(number) != "remove":
        return False
    if options.retain_device and number in DEVICE_IDENTITY:
        return False
    if options.retain_characteristics and number in PATIENT_CHARACTERISTICS:
        return False
    return options.dates != "shift" or not _may_be_date(number)


@lru_cache(maxsize=4096)
def _may_be_date(number: int) -> bool:
    return not dictionary_has_tag(number) or dictionary_VR(number) in ("DA", "DT")


def _action(number: int, element: DataElement, options: Options) -> Action | str | None:
    if options.retain_device and number in DEVICE_IDENTITY:
        return "keep"
    if options.retain_characteristics and number in PATIENT_CHARACTERISTICS:
        return "keep"
    if not dictionary_has_tag(number) and not _is_repeating(number):
        return "remove"  # not in the standard, nobody knows what it holds
    if element.VR in ("DA", "DT") and options.dates == "shift" and number not in _BIRTH:
        return "shift"
    action = basic_action(number)
    if action is None and element.VR in ("DA", "DT", "TM", "PN", "UN"):
        return "remove"  # newer than the table's edition, or of a kind that nobody can read
    if action is None and element.VR == "UI" and number not in _STANDARD_UIDS:
        return "uid"
    return action


# UIDs that name things of the standard, not of a patient.
_STANDARD_UIDS = {
    int(Tag(keyword))
    for keyword in (
        "SOPClassUID", "ReferencedSOPClassUID", "CodingSchemeUID", "TransferSyntaxUID",
        "MappingResourceUID", "ContextUID", "ContextGroupExtensionCreatorUID",
        "RelatedGeneralSOPClassUID", "OriginalSpecializedSOPClassUID",
    )
}  # fmt: skip


def _descend(
    element: DataElement,
    label: str,
    options: Options,
    names: Pseudonymiser,
    days: int,
    report: Report,
) -> None:
    if element.VR == "SQ":
        for item in element.value or ():
            _clear(item, f"{label} > ", options, names, days, report)


def _replace(dataset: Dataset, element: DataElement) -> None:
    if element.VR == "SQ":
        # An empty item keeps the sequence's presence and tells nothing.
        element.value = Sequence([Dataset()])
    elif element.VR == "UI":
        element.value = "2.25.0"
    else:
        dummy = _DUMMY.get(element.VR, "ANONYMIZED" if element.VR in _TEXT else None)
        element.value = dummy


def _replace_uids(element: DataElement, names: Pseudonymiser) -> None:
    several = not isinstance(element.value, str) and hasattr(element.value, "__iter__")
    if several:
        element.value = [names.uid(str(uid)) for uid in element.value]
    elif element.VR == "UI":
        element.value = names.uid(str(element.value))
    else:
        element.value = None


def _shift(element: DataElement, days: int) -> Any:
    """The value with every date moved back, or None where one is no date."""
    several = not isinstance(element.value, str) and hasattr(element.value, "__iter__")
    values = [str(value) for value in (element.value if several else [element.value])]
    moved = []
    for value in values:
        if not value or value == "None":
            moved.append("")
            continue
        match = re.match(r"(\d{4})[.]?(\d{2})[.]?(\d{2})", value)
        if not match:
            return None
        try:
            day = date(int(match[1]), int(match[2]), int(match[3])) - timedelta(days=days)
        except (ValueError, OverflowError):
            return None
        # Times of day stay in no option that is offered here.
        moved.append(day.strftime("%Y%m%d") if day.year >= 1000 else "")
    return moved if several else moved[0]


def _coarsen(element: DataElement) -> None:
    """Old people are few: their ages are one group, however they are written."""
    if element.keyword == "PatientAge":
        match = re.fullmatch(r"\s*(\d+)\s*([DWMY]?)\s*", str(element.value or "").upper())
        if match is None:
            element.value = None
        elif int(match[1]) / {"D": 365.25, "W": 52.18, "M": 12.0}.get(match[2], 1.0) >= OLDEST_AGE:
            element.value = f"{OLDEST_AGE:03d}Y"


def _mark(dataset: Dataset, patient: str, options: Options, names: Pseudonymiser) -> None:
    dataset.PatientID = names.patient(patient)
    dataset.PatientName = "ANONYMOUS"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "DICOM PS3.15 Annex E"
    dataset.DeidentificationMethodCodeSequence = Sequence(_method_codes(options))
    modified = "MODIFIED" if options.dates == "shift" else "REMOVED"
    dataset.LongitudinalTemporalInformationModified = modified


@lru_cache(maxsize=16)
def _method_codes(options: Options) -> list[Dataset]:
    codes = []
    for value, meaning in options.codes():
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning[:64]
        codes.append(code)
    return codes


def _clear_meta(meta: Any, dataset: Dataset) -> None:
    instance = dataset.get("SOPInstanceUID")
    if instance:
        meta.MediaStorageSOPInstanceUID = instance
    for keyword in (
        "SourceApplicationEntityTitle", "SendingApplicationEntityTitle",
        "ReceivingApplicationEntityTitle", "SourcePresentationAddress",
        "SendingPresentationAddress", "ReceivingPresentationAddress",
        "PrivateInformationCreatorUID", "PrivateInformation",
    ):  # fmt: skip
        if keyword in meta:
            delattr(meta, keyword)


def _patient(dataset: Dataset) -> str:
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
        try:
            value = str(dataset.get(keyword) or "").strip()
        except Exception:
            continue
        if value:
            return value
    return ""


def _private_creators(dataset: Dataset) -> dict[tuple[int, int], str]:
    creators = {}
    for tag in tuple(dataset.keys()):
        if tag.is_private_creator:
            try:
                creators[tag.group, tag.element] = str(dataset[tag].value).strip()
            except Exception:
                continue
    return creators


def _safe_private(tag: BaseTag, creators: dict[tuple[int, int], str], options: Options) -> bool:
    """Whether a private element, or the creator of one, is safe-listed."""
    if not options.safe_private:
        return False
    listed = {_spelled(one) for one in options.safe_private}
    if tag.is_private_creator:
        creator = creators.get((tag.group, tag.element), "")
        return any(group == tag.group and name == creator for group, _, name in listed)
    creator = creators.get((tag.group, tag.element >> 8), "")
    return bool(creator) and (tag.group, tag.element & 0xFF, creator) in listed


def _spelled(text: str) -> tuple[int, int, str]:
    group, element, creator = text.split(",", 2)
    return int(group, 16), int(element, 16) & 0xFF, creator.strip().strip('"')


def _is_sequence(dataset: Dataset, tag: BaseTag) -> bool:
    try:
        return dataset[tag].VR in ("SQ", "UN", "OB", "OW")
    except Exception:
        return True


def _is_repeating(number: int) -> bool:
    return keyword_for_tag(number) != ""


def _plain(value: Any) -> Any:
    """A JSON value that every database takes: no NaN, no infinity, no NUL."""
    if isinstance(value, (int, float)):
        number = float(value)
        if not math.isfinite(number):
            return None
        return number if not number.is_integer() else int(value)
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value)} bytes"
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        return [_plain(one) for one in value]
    return str(value).replace("\0", "")[:1024]


def names_of(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(attribute, what was done) of a stored report, for its page and its table."""
    if report.get("private_removed"):
        yield f"{report['private_removed']} private attributes", "removed"
    for deed in ("removed", "emptied", "replaced", "uids", "shifted", "retained", "private_kept"):
        for name in report.get(deed, ()):
            yield (
                name,
                {"uids": "UID mapped", "private_kept": "private, safe-listed"}.get(deed, deed),
            )
