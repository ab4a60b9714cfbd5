"""What an import writes down of a patient, and what of a file that tries to break it."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core import serializers
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from PIL import Image, PngImagePlugin
from pydicom import Dataset, Sequence

from readerstudy.imaging import curation, intake, storage
from readerstudy.imaging.models import Batch, IntakeItem, Scan
from readerstudy.imaging.sources import open_source
from tests.factories import make_researcher
from tests.imaging.dicom_files import chest, make, write

pytestmark = pytest.mark.django_db

NAMES = ("Doe", "Jane", "MRN-4711", "St. Elsewhere", "Dr Grey", "19620704", "20200229", "1.2.3.4.5")


def take(folder: Path, **options: Any) -> intake.Summary:
    source = open_source(folder)
    batch, _ = intake.prepare(source, options=options)
    return intake.run(batch, source, processes=1)


def talkative(**elements: Any) -> Dataset:
    """A film whose header names the patient wherever an attribute may."""
    item = Dataset()
    item.PatientName, item.ReferencedSOPInstanceUID = "Doe^Jane", "1.2.3.4.5"
    item.TextValue, item.StudyDate = "Jane Doe, MRN-4711", "20200229"
    inner = Dataset()
    inner.RequestAttributesSequence = Sequence([item])
    inner.PersonName = "Dr Grey"
    dataset = make(
        chest(),
        StudyDescription="CHEST of Jane Doe", SeriesDescription="PA Doe", ImageComments="Jane Doe",
        PatientComments="Doe", AdditionalPatientHistory="MRN-4711", InstitutionName="St. Elsewhere",
        ReferringPhysicianName="Dr Grey", PatientBirthDate="19620704", AccessionNumber="MRN-4711",
        OtherPatientIDs="MRN-4711", ProtocolName="Doe PA", RequestingPhysician="Dr Grey",
        StudyID="MRN-4711", FrameComments="Doe", DerivationDescription="for Jane Doe",
        **elements,
    )  # fmt: skip
    dataset.RequestAttributesSequence = Sequence([inner])
    dataset.OriginalAttributesSequence = Sequence([item])
    dataset.add_new(0x60000022, "LO", "Jane Doe")
    dataset.add_new(0x60003000, "OW", b"Jane Doe")
    block = dataset.private_block(0x2001, "ACME", create=True)
    block.add_new(0x01, "SQ", Sequence([item]))
    dataset.preamble = b"Jane Doe MRN-4711".ljust(128, b"\0")
    return dataset


def written_down() -> str:
    """Every row of the archive's tables."""
    rows: list[Any] = []
    for model in (Scan, Batch, IntakeItem):
        rows += model.objects.all()
    return serializers.serialize("json", rows)


def test_nothing_of_the_patient_is_in_any_table(tmp_path: Path) -> None:
    write(tmp_path / "a.dcm", talkative())
    lateral = {"AcquisitionDeviceProcessingDescription": "LATERAL of Jane Doe"}
    write(tmp_path / "b.dcm", talkative(ViewPosition=None, **lateral))
    assert take(tmp_path).refused == 1
    text = written_down()
    assert not [name for name in NAMES if name in text]


def test_the_manifests_patient_is_not_written_down_either(tmp_path: Path) -> None:
    Image.fromarray(chest(top=255).astype(np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text("file,patient\na.png,MRN-4711\n")
    write(tmp_path / "unlisted.dcm", make(chest(seed=1)))
    take(tmp_path)
    assert "MRN-4711" not in written_down()
    # The same patient by manifest and by header is one patient.
    assert len(set(Scan.objects.values_list("patient_key", flat=True))) == 1


def test_sex_and_age_go_with_the_option_and_old_ages_are_one_group(tmp_path: Path) -> None:
    for number, age in enumerate(("097Y", "090Y", "58", "058Y")):
        write(tmp_path / f"{number}.dcm", make(chest(seed=number), PatientAge=age))
    take(tmp_path)
    assert sorted(Scan.objects.values_list("age_years", flat=True), key=str) == [58, 90, 90, None]
    assert set(Scan.objects.values_list("sex", flat=True)) == {"F"}
    assert {scan.header.get("PatientAge") for scan in Scan.objects.all()} == {"090Y", "058Y", "58"}
    Scan.objects.all().delete()
    take(tmp_path, retain_characteristics=False)
    assert set(Scan.objects.values_list("age_years", "sex")) == {(None, "")}
    assert not [scan for scan in Scan.objects.all() if scan.header.get("PatientAge")]


def test_the_command_offers_the_same_choices_as_the_page(tmp_path: Path) -> None:
    write(tmp_path / "a.dcm", make(chest(), StationName="ROOM7"))
    call_command(
        "import_scans", str(tmp_path), "--retain-device", "--drop-characteristics", "--dates",
        "remove", processes=1, stdout=io.StringIO(), stderr=io.StringIO(),
    )  # fmt: skip
    scan = Scan.objects.get()
    assert (scan.header["StationName"], scan.sex) == ("ROOM7", "")
    assert "Modified" not in str(scan.deidentification["options"])


def test_header_values_that_no_database_takes_do_not_stop_an_import(tmp_path: Path) -> None:
    odd = make(chest())
    odd.add_new("Manufacturer", "LO", "ACME\0X")
    odd.add_new("KVP", "DS", b"NaN")
    odd.add_new("ExposureIndex", "DS", b"INF")
    write(tmp_path / "odd.dcm", odd)
    write(tmp_path / "good.dcm", make(chest(seed=2), ExposureInuAs=1200))
    assert take(tmp_path).imported == 2
    assert any(scan.header.get("ExposureInuAs") == 1200 for scan in Scan.objects.all())
    for scan in Scan.objects.all():
        assert "NaN" not in json.dumps(scan.header)
        assert "\0" not in json.dumps(scan.header)


def test_names_that_are_no_unicode_and_names_that_are_very_long(tmp_path: Path) -> None:
    content = (write(tmp_path / "x.dcm", make(chest()))).read_bytes()
    (tmp_path / "x.dcm").unlink()
    with open(os.path.join(os.fsencode(tmp_path), b"M\xfcller.dcm"), "wb") as file:
        file.write(content)
    deep = tmp_path / ("d" * 200) / ("e" * 200) / ("f" * 200)
    deep.mkdir(parents=True)
    write(deep / "a.dcm", make(chest(seed=1)))
    write(deep / "b.dcm", make(chest(seed=2)))
    source = open_source(tmp_path)
    batch, _ = intake.prepare(source)
    # Another process goes on with it.
    assert intake.run(batch, open_source(tmp_path), processes=1).imported == 3


def test_pixels_are_called_clean_only_once_they_are(tmp_path: Path) -> None:
    write(tmp_path / "a.dcm", make(chest(), BurnedInAnnotation="YES"))
    take(tmp_path)
    scan = Scan.objects.get()
    assert scan.text_review == Scan.TextReview.FOUND  # the header says so, though none was seen
    assert "Clean Pixel Data Option" not in scan.deidentification["options"]
    assert "The header says" in scan.deidentification["pixels"]
    before = storage.read_pixels(scan)
    mark = '[{"row": 10, "column": 20, "height": 30, "width": 40}]'
    curation.mask_text(scan, marks=curation.marks_of(mark, scan))
    scan.refresh_from_db()
    assert "Clean Pixel Data Option" in scan.deidentification["options"]
    assert scan.header["BurnedInAnnotation"] == "NO"
    after = storage.read_pixels(scan)
    changed = np.argwhere(before != after)
    assert (changed.min(axis=0) >= (10, 20)).all()
    assert (changed.max(axis=0) < (40, 60)).all()
    # What is painted over stays as it is when more is marked.
    curation.mask_text(scan, marks=curation.marks_of(mark.replace("10", "90"), scan))
    assert np.array_equal(storage.read_pixels(scan)[:80], after[:80])


@pytest.mark.parametrize(
    "marks",
    ["{", '[{"row": 1}]', '[{"row": -1, "column": 0, "height": 5, "width": 5}]', "7",
     '[{"row": 150, "column": 0, "height": 50, "width": 5}]',
     '[{"row": 1, "column": 0, "height": 0, "width": 5}]'],
)  # fmt: skip
def test_marks_that_are_none_are_refused(marks: str, tmp_path: Path) -> None:
    write(tmp_path / "a.dcm", make(chest()))
    take(tmp_path)
    with pytest.raises(ValueError, match=r"mark|rectangle"):
        curation.marks_of(marks, Scan.objects.get())


def test_the_report_lists_for_every_file_what_was_removed(client: Client, tmp_path: Path) -> None:
    write(tmp_path / "a.dcm", talkative())
    words = PngImagePlugin.PngInfo()
    words.add_text("Author", "Dr Grey")
    picture = Image.fromarray(chest(seed=3, top=255).astype(np.uint8))
    picture.save(tmp_path / "=b.png", pnginfo=words)
    take(tmp_path)
    client.force_login(make_researcher())
    address = reverse("archive:batch-report", args=[Batch.objects.get().public_id])
    answer = client.get(address)
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    rows = list(csv.DictReader(text.splitlines()))
    of_a = {(row["attribute"], row["done"]) for row in rows if row["file"] == "a.dcm"}
    assert of_a >= {
        ("ImageComments", "removed"),
        ("StudyDate", "shifted"),
        ("PatientID", "replaced"),
        ("SOPInstanceUID", "UID mapped"),
        ("1 private attributes", "removed"),
    }
    assert {row["attribute"] for row in rows if row["file"] == "'=b.png"} >= {"PNG text 'Author'"}
    assert not [name for name in NAMES if name in text.replace("a.dcm", "")]
    client.logout()
    assert client.get(address).status_code == 302
