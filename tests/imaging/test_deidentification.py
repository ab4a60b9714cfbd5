"""DICOM PS3.15: nothing of the patient stays, and what must hold together still does."""

from __future__ import annotations

import json
import warnings
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset, Sequence
from pydicom.datadict import DicomDictionary, dictionary_VR, keyword_for_tag

from readerstudy.imaging.deidentification import Options, deidentify, kept_header
from readerstudy.imaging.deidentification.table import basic_action
from tests.imaging.dicom_files import chest, make

KEY = b"k" * 32
SECRET = "SECRETVALUE"


def full() -> Dataset:
    """An object that carries a tell-tale value in every textual attribute the table names."""
    dataset = make(chest())
    for tag in DicomDictionary:
        keyword = keyword_for_tag(tag)
        if basic_action(tag) is None or not keyword or keyword in dataset or tag >> 16 == 2:
            continue
        representation = dictionary_VR(tag).split(" ")[0]
        if representation in ("LO", "SH", "ST", "LT", "UT", "UC", "PN"):
            dataset.add_new(tag, representation, SECRET)
        elif representation == "DA":
            dataset.add_new(tag, "DA", "19991231")
        elif representation == "DT":
            dataset.add_new(tag, "DT", "19991231235900")
        elif representation == "TM":
            dataset.add_new(tag, "TM", "235900")
        elif representation == "UI":
            dataset.add_new(tag, "UI", "1.2.3.999.7")
        elif representation == "SQ":
            item = Dataset()
            item.PatientName, item.InstitutionName = SECRET, SECRET
            dataset.add_new(tag, "SQ", Sequence([item]))
    return dataset


@pytest.mark.parametrize("dates", ["shift", "remove"])
def test_no_value_of_a_listed_attribute_survives(dates: str) -> None:
    dataset = full()
    assert len(dataset) > 300
    deidentify(dataset, key=KEY, options=Options(dates=dates, retain_characteristics=False))
    left = str(dataset)
    assert SECRET not in left
    assert "1.2.3.999.7" not in left
    assert "19991231" not in left
    assert "235900" not in left
    for value in ("Doe", "MRN-4711", "058Y"):
        assert value not in left


def test_basic_profile_marks_what_it_did() -> None:
    dataset = make(chest())
    report = deidentify(dataset, key=KEY, options=Options(retain_device=True))
    assert dataset.PatientIdentityRemoved == "YES"
    codes = [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113101", "113107", "113108", "113109"]
    assert "PatientID" in report.replaced
    assert "StudyDate" in report.shifted
    assert "MRN-4711" not in json.dumps(report.to_dict())


def test_characteristics_and_device_are_kept_only_on_request() -> None:
    def header(**options: bool) -> dict[str, object]:
        dataset = make(chest(), StationName="ROOM7", DeviceSerialNumber="SN1", PatientWeight=70)
        deidentify(dataset, key=KEY, options=Options(**options))
        return kept_header(dataset)

    kept = header(retain_characteristics=True, retain_device=True)
    assert (kept["PatientSex"], kept["PatientAge"], kept["StationName"]) == ("F", "058Y", "ROOM7")
    bare = header(retain_characteristics=False, retain_device=False)
    assert "PatientSex" not in bare
    assert "PatientAge" not in bare
    assert bare["StationName"] != "ROOM7"
    assert bare["DeviceSerialNumber"] != "SN1"


@pytest.mark.parametrize(
    ("keyword", "value", "stays"),
    [
        ("StationName", "ROOM7", True),
        ("DeviceDescription", "wall stand", True),
        ("SourceSerialNumber", "SN9", True),
        ("DateOfLastDetectorCalibration", "20200101", True),
        ("ScheduledProcedureStepLocation", "X-ray 2", True),
        # Code C of the option's column: application entity titles are cleaned, not kept.
        ("StationAETitle", "WARD_DOE", False),
        ("PerformedStationAETitle", "WARD_DOE", False),
        ("ScheduledStationAETitle", "WARD_DOE", False),
        ("RetrieveAETitle", "WARD_DOE", False),
        # In no column of the option.
        ("PerformedLocation", "Ward 3", False),
    ],
)
def test_device_option_keeps_what_its_column_keeps(keyword: str, value: str, stays: bool) -> None:
    """PS3.15 Table E.1-1, column "Rtn. Dev. Id. Opt."."""
    dataset = make(chest(), **{keyword: value})
    deidentify(dataset, key=KEY, options=Options(retain_device=True))
    assert (str(dataset.get(keyword)) == value) is stays
    bare = make(chest(), **{keyword: value})
    deidentify(bare, key=KEY, options=Options(retain_device=False))
    assert str(bare.get(keyword)) != value


def test_body_mass_index_goes_with_the_weight() -> None:
    for kept in (True, False):
        dataset = make(chest(), PatientBodyMassIndex=31.4, PatientWeight=90)
        deidentify(dataset, key=KEY, options=Options(retain_characteristics=kept))
        assert ("PatientBodyMassIndex" in dataset) is kept
        assert ("PatientWeight" in dataset) is kept


def test_dates_of_a_patient_move_together_and_patients_apart() -> None:
    def shifted(patient: str, day: str) -> datetime:
        dataset = make(chest(), PatientID=patient, StudyDate=day)
        deidentify(dataset, key=KEY)
        return datetime.strptime(dataset.StudyDate, "%Y%m%d")

    assert (shifted("A", "20200310") - shifted("A", "20200229")).days == 10
    assert shifted("A", "20200229") != shifted("B", "20200229")
    assert shifted("A", "20200229") < datetime(2020, 2, 29)


def test_birth_date_is_never_shifted_but_emptied() -> None:
    dataset = make(chest(), PatientBirthDate="19620101")
    deidentify(dataset, key=KEY)
    assert not dataset.PatientBirthDate


def test_uids_are_mapped_alike_across_objects_and_by_key() -> None:
    first, second, other = make(chest()), make(chest()), make(chest())
    second.StudyInstanceUID = other.StudyInstanceUID = first.StudyInstanceUID
    original = str(first.StudyInstanceUID)
    deidentify(first, key=KEY)
    deidentify(second, key=KEY)
    deidentify(other, key=b"another")
    assert first.StudyInstanceUID == second.StudyInstanceUID != original
    assert other.StudyInstanceUID != first.StudyInstanceUID
    assert pydicom.uid.UID(first.StudyInstanceUID).is_valid
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID
    assert first.SOPClassUID == "1.2.840.10008.5.1.4.1.1.1.1"


def test_references_inside_sequences_are_mapped_too() -> None:
    dataset, referred = make(chest()), "1.2.3.4.5"
    item = Dataset()
    item.ReferencedSOPInstanceUID, item.ReferencedSOPClassUID = (
        referred,
        "1.2.840.10008.5.1.4.1.1.1",
    )
    dataset.ReferencedImageSequence = Sequence([item])
    deidentify(dataset, key=KEY)
    mapped = dataset.ReferencedImageSequence[0]
    assert mapped.ReferencedSOPInstanceUID.startswith("2.25.")
    assert mapped.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.1"


def test_private_attributes_go_unless_safe_listed() -> None:
    def private() -> Dataset:
        dataset = make(chest())
        block = dataset.private_block(0x2001, "ACME 1", create=True)
        block.add_new(0x01, "LO", "gain 3")
        block.add_new(0x02, "LO", SECRET)
        return dataset

    dataset = private()
    report = deidentify(dataset, key=KEY)
    assert report.private_removed == 2
    assert not [element for element in dataset if element.tag.is_private]
    dataset = private()
    deidentify(dataset, key=KEY, options=Options(safe_private=("2001,01,ACME 1",)))
    assert dataset.private_block(0x2001, "ACME 1")[0x01].value == "gain 3"
    assert SECRET not in str(dataset)


def test_unknown_and_unreadable_attributes_are_removed() -> None:
    dataset = make(chest())
    dataset.add_new(0x00189FFE, "LO", SECRET)  # not in the dictionary
    dataset.add_new(0x00081030, "UN", SECRET.encode())
    deidentify(dataset, key=KEY)
    assert SECRET not in str(dataset)


def test_ages_above_89_are_one_group() -> None:
    dataset = make(chest(), PatientAge="097Y")
    deidentify(dataset, key=KEY)
    assert dataset.PatientAge == "090Y"


def test_pixels_are_left_alone() -> None:
    dataset = make(chest())
    before = dataset.pixel_array.copy()
    deidentify(dataset, key=KEY)
    assert np.array_equal(dataset.pixel_array, before)


def test_every_test_file_of_pydicom_is_cleared_without_an_error() -> None:
    count = 0
    for path in sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, force=True)
            name = str(dataset.get("PatientName") or "")
            deidentify(dataset, key=KEY)
            json.dumps(kept_header(dataset))
        if len(name) > 4:
            assert name not in str(dataset.to_json_dict(suppress_invalid_tags=True))
        count += 1
    assert count > 50
