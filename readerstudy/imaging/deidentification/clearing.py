"""DICOM headers without the patient: PS3.15 Annex E."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

from pydicom import DataElement, Dataset, Sequence
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.tag import Tag

from readerstudy.imaging.deidentification.options import Options
from readerstudy.imaging.deidentification.private import (
    is_safe_listed,
    may_hold_more,
    private_creators,
)
from readerstudy.imaging.deidentification.pseudonymiser import Pseudonymiser
from readerstudy.imaging.deidentification.report import Report
from readerstudy.imaging.deidentification.table import (
    DEVICE_IDENTITY,
    PATIENT_CHARACTERISTICS,
    Action,
    basic_action,
)
from readerstudy.imaging.deidentification.values import coarsen, replace, replace_uids, shift

_PIXELS = {0x7FE00008, 0x7FE00009, 0x7FE00010}
_BIRTH = {0x00100030, 0x00100032, 0x00100033, 0x00100034, 0x00100035}


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


def _clear(
    dataset: Dataset,
    path: str,
    options: Options,
    names: Pseudonymiser,
    days: int,
    report: Report,
) -> None:
    creators = private_creators(dataset)
    for tag in list(dataset.keys()):
        number = int(tag)
        if number in _PIXELS:
            continue
        label = path + (keyword_for_tag(tag) or f"({tag.group:04X},{tag.element:04X})")
        if tag.is_private:
            kept = is_safe_listed(tag, creators, options)
            # A vendor's sequence may hold anybody's name: only plain values can be safe-listed.
            if kept and not may_hold_more(dataset, tag):
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
            moved = shift(element, days)
            if moved is None:
                action = "empty" if basic_action(number) != "remove" else "remove"
            else:
                element.value = moved
                report.shifted.append(label)
                continue
        if action in ("keep", None):
            if action == "keep":
                report.retained.append(label)
                coarsen(element)
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
                replace_uids(element, names)
            report.uids.append(label)
        elif action == "empty":
            element.value = Sequence() if element.VR == "SQ" else None
            report.emptied.append(label)
        else:
            replace(dataset, element)
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
    if number in PATIENT_CHARACTERISTICS:
        # Body mass index is newer than the table: without the option it goes with the weight.
        return "keep" if options.retain_characteristics else basic_action(number) or "remove"
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


def _is_repeating(number: int) -> bool:
    return keyword_for_tag(number) != ""


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
