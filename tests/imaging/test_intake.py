"""Files into the archive: what is taken, what is refused, and nothing twice."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from readerstudy.imaging import intake, storage
from readerstudy.imaging.decoding.limits import Limits
from readerstudy.imaging.models import Batch, IntakeItem, NearDuplicate, Scan
from readerstudy.imaging.sources import SourceError, open_source
from tests.imaging.dicom_files import DX, chest, make, write

pytestmark = pytest.mark.django_db


def png(path: Path, seed: int = 0, *, deep: bool = False, size: int = 160) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    top = 65535 if deep else 255
    pixels = chest(size, size, seed=seed, top=top)
    Image.fromarray(pixels if deep else pixels.astype(np.uint8)).save(path)
    return path


def table(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def take(folder: Path, **options: object) -> intake.Summary:
    source = open_source(folder)
    batch, _ = intake.prepare(source, **options)  # type: ignore[arg-type]
    return intake.run(batch, source, processes=1)


def test_folder_with_manifest_keeps_what_it_says(tmp_path: Path) -> None:
    png(tmp_path / "a.png", 1)
    png(tmp_path / "below" / "b.png", 2, deep=True)
    table(
        tmp_path / "manifest.csv",
        {"file": "a.png", "patient": "P1", "labels": "Effusion|Mass", "view": "PA", "sex": "F",
         "age": "58", "origin": "acquired", "generator": "", "split": "test", "ward": "B4"},
        {"file": "below/b.png", "patient": "", "labels": "", "view": "", "sex": "", "age": "",
         "origin": "generated", "generator": "pggan-7", "split": "", "ward": ""},
    )  # fmt: skip
    summary = take(tmp_path)
    assert (summary.imported, summary.refused) == (2, 0)
    a = Scan.objects.get(source_name="a.png")
    assert (a.origin, a.view, a.sex, a.age_years, a.split) == ("acquired", "PA", "F", 58, "test")
    assert sorted(label.name for label in a.labels.all()) == ["Effusion", "Mass"]
    assert a.metadata == {"ward": "B4"}
    assert a.patient_key
    assert "P1" not in a.patient_key
    b = Scan.objects.get(source_name="below/b.png")
    assert (b.origin, b.generator_name, b.bits) == ("generated", "pggan-7", 16)
    assert np.array_equal(storage.read_pixels(b), chest(160, 160, seed=2, top=65535))
    assert storage.read_thumbnail(b)[:2] == b"\xff\xd8"


def test_importing_twice_adds_nothing(tmp_path: Path) -> None:
    png(tmp_path / "in" / "a.png", 1)
    png(tmp_path / "in" / "b.png", 2)
    take(tmp_path / "in")
    again = take(tmp_path / "in")
    assert (again.imported, again.duplicates, Scan.objects.count()) == (0, 2, 2)


def test_same_pixels_in_another_format_are_the_same_scan(tmp_path: Path) -> None:
    pixels = chest(160, 160, top=65535)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    Image.fromarray(pixels).save(tmp_path / "one" / "a.png")
    Image.fromarray(pixels).save(tmp_path / "two" / "a.tif")
    write(tmp_path / "two" / "a.dcm", make(pixels, BitsStored=16))
    take(tmp_path / "one")
    assert take(tmp_path / "two").duplicates == 2


def test_wrong_rows_are_listed_by_line_and_nothing_is_imported(tmp_path: Path) -> None:
    png(tmp_path / "a.png", 1)
    png(tmp_path / "b.png", 2)
    table(
        tmp_path / "manifest.csv",
        {"file": "a.png", "view": "PA", "age": "58"},
        {"file": "b.png", "view": "sideways", "age": "58"},
        {"file": "missing.png", "view": "PA", "age": "58"},
        {"file": "a.png", "view": "PA", "age": "58"},
        {"file": "b.png", "view": "PA", "age": "-3"},
    )
    with pytest.raises(intake.WrongRows) as error:
        take(tmp_path)
    assert [row.line for row in error.value.wrong] == [3, 4, 5, 6]
    assert not Batch.objects.exists()
    with pytest.raises(CommandError, match="nothing was imported"):
        call_command("import_scans", str(tmp_path), stderr=io.StringIO())
    call_command(
        "import_scans", str(tmp_path), skip_bad=True, processes=1,
        stdout=(out := io.StringIO()), stderr=io.StringIO(),
    )  # fmt: skip
    # a.png has a good row; nothing good was said of b.png.
    assert "1 imported" in out.getvalue()


def test_nih_table_is_taken_as_it_is(tmp_path: Path) -> None:
    png(tmp_path / "images_001" / "00000001_000.png", 1)
    png(tmp_path / "images_001" / "00000001_001.png", 2)
    (tmp_path / "Data_Entry_2017.csv").write_text(
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
        "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
        "00000001_000.png,Cardiomegaly,0,1,58,M,PA,2682,2749,0.143,0.143,\n"
        "00000001_001.png,Cardiomegaly|Emphysema,1,1,414,M,PA,2894,2729,0.143,0.143,\n"
        "00000002_000.png,No Finding,0,2,81,M,PA,2500,2048,0.171,0.171,\n"
    )
    assert take(tmp_path).imported == 2
    first = Scan.objects.get(source_name__endswith="1_000.png")
    assert (first.age_years, first.sex, first.view) == (58, "M", "PA")
    assert first.spacing_mm == pytest.approx(0.143 * 2682 / 160)
    assert first.metadata["Follow-up #"] == "0"
    second = Scan.objects.get(source_name__endswith="1_001.png")
    assert second.age_years is None
    assert second.metadata["age as published"] == "414"
    assert second.patient_key == first.patient_key
    assert {label.name for label in second.labels.all()} == {"Cardiomegaly", "Emphysema"}


def test_refusals_name_their_reason_and_spare_the_rest(tmp_path: Path) -> None:
    png(tmp_path / "good.png", 1)
    random = np.random.default_rng(0)
    write(tmp_path / "lateral.dcm", make(chest(), ViewPosition="LL"))
    write(
        tmp_path / "lateral2.dcm", make(chest(), ViewPosition=None, PatientOrientation=["A", "F"])
    )
    write(
        tmp_path / "lateral3.dcm", make(chest(), ViewPosition=None, SeriesDescription="THORAX LAT")
    )
    write(tmp_path / "hand.dcm", make(chest(), BodyPartExamined="HAND"))
    write(tmp_path / "frames.dcm", make(chest(), NumberOfFrames=2))
    write(tmp_path / "huge.dcm", make(chest(), Rows=65000, Columns=65000))
    write(tmp_path / "short.dcm", make(chest(), Rows=400))
    ct = make(chest())
    ct.SOPClassUID = ct.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    write(tmp_path / "ct.dcm", ct)
    pdf = make(chest())
    pdf.SOPClassUID = pdf.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    write(tmp_path / "report.dcm", pdf)
    Image.fromarray(random.integers(0, 255, (160, 160, 3), np.uint8)).save(tmp_path / "holiday.jpg")
    png(tmp_path / "tiny.png", size=32)
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7 ...")
    (tmp_path / "torn.png").write_bytes(png(tmp_path / "whole.png", 9).read_bytes()[:400])
    (tmp_path / "whole.png").unlink()
    (tmp_path / "empty.dcm").write_bytes(b"")
    Image.fromarray(np.full((160, 160), 7, np.uint8)).save(tmp_path / "blank.png")
    summary = take(tmp_path)
    codes = dict(IntakeItem.objects.filter(state="refused").values_list("name", "code"))
    assert codes == {
        "lateral.dcm": "lateral", "lateral2.dcm": "lateral", "lateral3.dcm": "lateral",
        "hand.dcm": "not-chest", "frames.dcm": "multi-frame", "huge.dcm": "too-large",
        "short.dcm": "cut-off", "ct.dcm": "not-a-radiograph", "report.dcm": "pdf",
        "holiday.jpg": "colour", "tiny.png": "too-small", "paper.pdf": "pdf",
        "torn.png": "damaged", "empty.dcm": "empty", "blank.png": "blank",
    }  # fmt: skip
    assert summary.imported == 1
    assert all(IntakeItem.objects.filter(state="refused").values_list("message", flat=True))


def test_lateral_in_the_manifest_is_refused_with_its_file(tmp_path: Path) -> None:
    png(tmp_path / "a.png", 1)
    table(tmp_path / "manifest.csv", {"file": "a.png", "view": "LATERAL"})
    assert take(tmp_path).reasons == {"lateral": 1}


def test_zip_archive_with_its_manifest(tmp_path: Path) -> None:
    png(tmp_path / "in" / "a.png", 1)
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as archive:
        archive.write(tmp_path / "in" / "a.png", "pack/a.png")
        archive.writestr("pack/manifest.csv", "file,sex\na.png,F\n")
        archive.writestr("pack/README.md", "hello")
        archive.writestr("../../evil.png", (tmp_path / "in" / "a.png").read_bytes())
    summary = take(tmp_path / "scans.zip")
    assert (summary.imported, summary.refused) == (1, 0)
    assert Scan.objects.get().sex == "F"
    assert not (tmp_path.parent / "evil.png").exists()


def test_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        piece = bytes(1 << 20)
        with archive.open("big.dcm", "w", force_zip64=True) as file:
            for _ in range(1100):
                file.write(piece)
    with pytest.raises(SourceError, match="zip bomb"):
        open_source(bomb)


def test_large_member_is_refused_and_the_rest_taken(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "scans.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.png", bytes(3 << 20))
        archive.write(png(tmp_path / "in" / "a.png", 1), "a.png")
    limits = Limits(most_file_bytes=1 << 20)
    source = open_source(tmp_path / "scans.zip", limits)
    batch, _ = intake.prepare(source)
    summary = intake.run(batch, source, processes=1, limits=limits)
    assert (summary.imported, summary.reasons) == (1, {"too-large": 1})


def test_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    Image.new("L", (20_000, 20_000)).save(tmp_path / "bomb.png")
    assert take(tmp_path).reasons == {"too-large": 1}


def test_deflated_bomb_meets_the_memory_limit(tmp_path: Path) -> None:
    dataset = make(chest(), syntax="1.2.840.10008.1.2.1.99")
    dataset.add_new(0x00104000, "LT", "x" * 10)
    dataset.add_new(0x00420011, "OB", bytes(1_200_000_000))
    write(tmp_path / "bomb.dcm", dataset)
    assert (tmp_path / "bomb.dcm").stat().st_size < 10_000_000
    limits = Limits(address_space=1_200_000_000)
    source = open_source(tmp_path)
    png(tmp_path / "good.png", 1)
    batch, _ = intake.prepare(source)
    summary = intake.run(batch, source, processes=1, limits=limits)
    assert summary.imported == 1
    assert set(summary.reasons) <= {"memory", "damaged", "crashed"}
    assert summary.refused == 1


def test_hanging_decoder_is_stopped_and_the_rest_taken(tmp_path: Path) -> None:
    png(tmp_path / "a.png", 1)
    limits = Limits(seconds=0.0)
    source = open_source(tmp_path)
    batch, _ = intake.prepare(source)
    assert intake.run(batch, source, processes=1, limits=limits).reasons == {"timeout": 1}


def test_killed_import_goes_on_without_doubling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        png(tmp_path / f"{number}.png", number)
    monkeypatch.setattr(intake, "COMMIT_EVERY", 2)
    source = open_source(tmp_path)
    batch, _ = intake.prepare(source)

    def killed(done: int, total: int, message: str) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        intake.run(batch, source, processes=1, progress=killed)
    assert Scan.objects.count() == 4
    summary = intake.run(batch, source, processes=1)
    assert (summary.imported, summary.duplicates, Scan.objects.count()) == (7, 0, 7)


def test_near_duplicates_and_memorisation_are_reported(tmp_path: Path) -> None:
    pixels = chest(256, 256, seed=3, top=255).astype(np.uint8)
    (tmp_path / "real").mkdir()
    (tmp_path / "fake").mkdir()
    Image.fromarray(pixels).save(tmp_path / "real" / "a.png")
    flipped = Image.fromarray(np.ascontiguousarray(pixels[::-1]))
    flipped.save(tmp_path / "real" / "b.png")
    Image.fromarray(pixels).resize((200, 200)).save(tmp_path / "fake" / "copy.jpg", quality=80)
    take(tmp_path / "real")
    summary = take(tmp_path / "fake", origin="generated")
    assert (summary.near_duplicates, summary.memorised) == (1, 1)
    pair = NearDuplicate.objects.get()
    assert pair.across_origins
    assert {pair.first.source_name, pair.second.source_name} == {"a.png", "copy.jpg"}


def test_generated_array_that_repeats_a_film_is_memorised(tmp_path: Path) -> None:
    png(tmp_path / "in" / "a.png", 3, size=256)
    take(tmp_path / "in")
    film = storage.read_pixels(Scan.objects.get())
    copy = np.clip(film.astype(int) + 2, 0, 255).astype(np.uint16)
    made = {"bits": 8, "origin": "generated", "source_format": "PGGAN", "generator_name": "g"}
    scan, created = intake.add_scan(copy, **made)  # type: ignore[arg-type]
    again, doubled = intake.add_scan(copy, **made)  # type: ignore[arg-type]
    assert (created, doubled, again.pk) == (True, False, scan.pk)
    assert NearDuplicate.objects.get().across_origins
    with pytest.raises(ValueError, match="8-bit scan expected"):
        intake.add_scan(copy + 200, **made)  # type: ignore[arg-type]


def test_grey_wrapped_in_colour_and_transparency_is_taken(tmp_path: Path) -> None:
    grey = Image.fromarray(chest(160, 160, top=255).astype(np.uint8))
    grey.convert("RGBA").save(tmp_path / "rgba.png")
    grey.convert("RGB").save(tmp_path / "rgb.jpg", quality=92)
    assert take(tmp_path).refused == 0
    kept = storage.read_pixels(Scan.objects.get(source_name="rgba.png"))
    assert np.array_equal(kept, np.asarray(grey))


def test_command_takes_the_whole_pack_and_says_so(films: Path) -> None:
    """The two DICOM files and the originals here; the 948 films in the slow suite."""
    out = io.StringIO()
    call_command("import_scans", str(films / "dicom"), processes=1, stdout=out, stderr=out)
    assert "2 files: 2 imported, 0 already in the archive, 0 refused" in out.getvalue()
    assert NearDuplicate.objects.count() == 1


def test_dicom_without_manifest_row_is_not_named_by_its_file(tmp_path: Path) -> None:
    write(tmp_path / "DOE_JANE_19620101.dcm", make(chest()))
    take(tmp_path)
    scan = Scan.objects.get()
    assert scan.source_name == ""
    said = f"{scan.header}{scan.deidentification}{scan.metadata}{scan.patient_key}"
    assert "Doe" not in said
    assert "4711" not in said
    assert (scan.sex, scan.age_years, scan.view) == ("F", 58, "PA")
    assert DX in str(scan.header)


@pytest.mark.faults
def test_the_whole_pack(films: Path) -> None:
    out = io.StringIO()
    call_command("import_scans", str(films), stdout=out, stderr=out)
    assert "980 files: 980 imported" in out.getvalue()
    assert NearDuplicate.objects.count() == 31
