"""Films, splits and the pyramid."""

from __future__ import annotations

import csv
import zipfile

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from synthesis.pggan import films
from synthesis.pggan.films import HELD_OUT, TRAIN, DataError, Film, assign_splits, find_films
from synthesis.pggan.pyramid import Order, Pyramid, build, from_array
from tests.synthesis.pggan.conftest import blobs


def png(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((pixels * 255).astype(np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    """Twelve NIH-named films of six patients."""
    for i, pixels in enumerate(blobs(12, 40)):
        png(tmp_path / "films" / f"{i // 2:08d}_{i % 2:03d}.png", pixels)
    return tmp_path / "films"


def dicom(path, pixels, *, photometric="MONOCHROME2", patient="P1", **tags):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, photometric
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PatientID, ds.PixelData = patient, pixels.astype("<u2").tobytes()
    for key, value in tags.items():
        setattr(ds, key, value)
    ds.save_as(path)


def test_patients_never_part_between_splits(folder, tmp_path):
    pyramid = build(folder, tmp_path / "p", 16, held_out=0.5, seed=3)
    trained = {f["patient"] for f in pyramid.films(TRAIN)}
    held = {f["patient"] for f in pyramid.films(HELD_OUT)}
    assert trained
    assert held
    assert not trained & held
    assert pyramid.count(TRAIN) + pyramid.count(HELD_OUT) == 12
    # and the pixels of held-out films are in no array that training opens
    for size in (4, 8, 16):
        assert len(pyramid.array(size)) == pyramid.count(TRAIN)


def test_adding_films_moves_no_patient():
    few = [Film(path=None, patient=f"p{i}") for i in range(50)]
    many = [Film(path=None, patient=f"p{i}") for i in range(200)]
    before = assign_splits(few, held_out=0.3, seed=1)
    assert assign_splits(many, held_out=0.3, seed=1)[:50] == before
    assert 0.2 < assign_splits(many, held_out=0.3, seed=1).count(HELD_OUT) / 200 < 0.4


def test_manifest_split_is_respected_and_holds_out_the_whole_patient(folder, tmp_path):
    rows = [
        ("00000000_000.png", "A", "train"),
        ("00000000_001.png", "A", "test"),
        ("00000001_000.png", "B", "train"),
    ]
    with open(folder / "manifest.csv", "w") as file:
        csv.writer(file).writerows([("file", "patient_id", "split"), *rows])
    pyramid = build(folder, tmp_path / "p", 8, held_out=0.0)
    assert [f["patient"] for f in pyramid.films(TRAIN)] == ["B"]
    assert {f["patient"] for f in pyramid.films(HELD_OUT)} == {"A"}


def test_filters_keep_rows_with_one_of_the_values(folder):
    rows = [("00000000_000.png", "Effusion|Mass", "PA"), ("00000001_000.png", "Mass", "AP")]
    rows.append(("00000002_000.png", "No Finding", "PA"))
    with open(folder / "manifest.csv", "w") as file:
        csv.writer(file).writerows([("file", "labels", "view"), *rows])
    names = [f.path.name for f in find_films(folder, where={"labels": ["Mass"], "view": ["PA"]})]
    assert names == ["00000000_000.png"]
    with pytest.raises(DataError, match="no film has this column"):
        find_films(folder, where={"modality": ["DX"]})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("picture",), ("a.png",)], "column 'file' or 'path'"),
        ([("file",), ("gone.png",)], "row 2: gone.png is not there"),
        ([("file", "split"), ("00000000_000.png", "maybe")], "split 'maybe'"),
    ],
)
def test_manifest_that_cannot_be_followed_is_refused(folder, rows, message):
    with open(folder / "manifest.csv", "w") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(DataError, match=message):
        find_films(folder)


def test_public_sets_tables_are_followed_as_they_come(folder):
    # given ChestX-ray14's own table beside folders of images, which it does not name
    (folder / "images_001" / "images").mkdir(parents=True)
    for path in folder.glob("*.png"):
        path.rename(folder / "images_001" / "images" / path.name)
    table = folder / "Data_Entry_2017.csv"
    table.write_text(
        "Image Index,Finding Labels,Patient ID,View Position\n"
        "00000000_000.png,Mass|Nodule,7,PA\n00000001_001.png,No Finding,8,AP\n"
    )
    found = find_films(folder, manifest=table, where={"Finding Labels": ["Nodule"]})
    assert [(f.name, f.patient) for f in found] == [("images_001/images/00000000_000.png", "7")]
    assert len(find_films(table)) == 2  # the table alone will do


def test_archive_is_read_by_its_own_manifest(folder, tmp_path):
    path = tmp_path / "films.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for film in sorted(folder.glob("*.png")):
            archive.write(film, f"set/{film.name}")
        archive.writestr("set/manifest.csv", "file,patient,split\n00000003_001.png,Q,test\n"
                         "00000004_000.png,R,\n")  # fmt: skip
        archive.writestr("__MACOSX/set/._00000003_001.png", b"junk")
    found = find_films(path)
    assert [(f.member, f.patient, f.split) for f in found] == [
        ("set/00000003_001.png", "Q", HELD_OUT),
        ("set/00000004_000.png", "R", ""),
    ]


def test_folders_name_the_patient_where_the_files_do_not(tmp_path):
    for patient in ("patient00001", "patient00002"):
        for study in ("study1", "study2"):
            png(tmp_path / patient / study / "view1_frontal.jpg", np.full((8, 8), 0.5))
    films = find_films(tmp_path)
    assert [f.patient for f in films] == ["patient00001"] * 2 + ["patient00002"] * 2
    own = find_films(tmp_path, patient_pattern=r"/(study\d)/")
    assert {f.patient for f in own} == {"study1", "study2"}
    with pytest.raises(DataError, match="group"):
        find_films(tmp_path, patient_pattern="patient")


def test_dicom_without_suffix_is_found_and_its_header_keeps_a_patient_together(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    pixels = np.tile(np.arange(16) * 200, (16, 1))
    for number in range(6):
        dicom(folder / f"IM{number:04d}", pixels, patient=f"DOE^{number // 3}")
    dicom(folder / "1.2.840.7.11", pixels, patient="DOE^0")
    (folder / "DICOMDIR.txt").write_text("no film")
    films = find_films(folder)
    assert len(films) == 7
    assert len({f.patient for f in films}) == 2
    assert not any("DOE" in f.patient for f in films)  # the run's folder holds no identifier


def test_folder_moved_elsewhere_is_the_same_data(folder, tmp_path):
    first = build(folder, tmp_path / "p", 8)
    moved = folder.rename(tmp_path / "elsewhere")
    assert build(moved, tmp_path / "p", 8).digest == first.digest
    assert build(moved, tmp_path / "q", 8).digest == first.digest


def test_another_file_under_the_same_name_is_noticed(folder, tmp_path):
    build(folder, tmp_path / "p", 8)
    png(folder / "00000000_000.png", np.random.default_rng(1).uniform(size=(64, 64)))
    with pytest.raises(DataError, match="pyramid of other films"):
        build(folder, tmp_path / "p", 8)


def test_levels_are_box_averages_of_the_level_above(folder, tmp_path):
    pyramid = build(folder, tmp_path / "p", 16, held_out=0.0, bits=16)
    top, low = pyramid.unit(16, range(12)), pyramid.unit(4, range(12))
    expected = top.reshape(12, 4, 4, 4, 4).mean(axis=(2, 4))
    assert np.abs(low - expected).max() < 2 / 65535


def test_films_that_cannot_be_read_are_named_with_the_rule_and_a_way_out(folder, tmp_path):
    # given a text and an empty file with the names of films
    (folder / "text.png").write_text("hello")
    (folder / "empty.jpg").touch()
    # when / then
    with pytest.raises(DataError) as refused:
        build(folder, tmp_path / "p", 16)
    said = str(refused.value)
    assert said.startswith("2 of 14 films cannot be read, and at most 5%")
    assert "text.png: cannot be decoded (no image or DICOM file" in said
    assert "BytesIO" not in said
    assert said.endswith("mend or remove them, or name the others in a manifest")


def test_same_films_open_the_same_pyramid_and_others_are_refused(folder, tmp_path):
    first = build(folder, tmp_path / "p", 16)
    assert build(folder, tmp_path / "p", 16).digest == first.digest
    with pytest.raises(DataError, match="another split or another size"):
        build(folder, tmp_path / "p", 8)
    (folder / "00000000_000.png").unlink()
    with pytest.raises(DataError, match="other films"):
        build(folder, tmp_path / "p", 16)


def test_zip_archive_and_damaged_film(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"inner/{path.name}")
    assert build(tmp_path / "films.zip", tmp_path / "p", 8, held_out=0.0).count() == 12
    (folder / "00000000_000.png").write_bytes(b"\x89PNG but not really")
    with pytest.raises(DataError, match=r"1 of 12 films .*00000000_000"):
        build(folder, tmp_path / "q", 8, held_out=0.0)  # 8 %, above the limit of 5 %
    assert not (tmp_path / "q").exists()


def test_dicom_inversion_and_window_are_applied(tmp_path):
    ramp = np.tile(np.linspace(0, 4095, 32), (32, 1))
    dicom(tmp_path / "a.dcm", ramp)
    dicom(tmp_path / "b.dcm", ramp, photometric="MONOCHROME1")
    dicom(tmp_path / "c.dcm", ramp, WindowCenter=1024, WindowWidth=1024)
    a, b, c = (films.read_film(Film(tmp_path / f"{n}.dcm")) for n in "abc")
    assert a[0, 0] < 0.02
    assert a[0, -1] > 0.98
    assert np.allclose(b, 1 - a, atol=1e-6)
    assert c[0, 3] == 0.0
    assert c[0, 16] == 1.0


def test_sixteen_bit_png_keeps_its_depth(tmp_path):
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "deep.png")
    pixels = films.read_film(Film(tmp_path / "deep.png"))
    assert np.allclose(pixels * 65535, values, atol=0.5)


def test_every_epoch_shows_every_film_once_in_another_order():
    order = Order(17, seed=4)
    epochs = order(0, 51).reshape(3, 17)
    assert all(sorted(e) == list(range(17)) for e in epochs)
    assert len({tuple(e) for e in epochs}) == 3
    # and any part of it can be asked for at once
    assert (Order(17, seed=4)(20, 9) == order(0, 51)[20:29]).all()


def test_nothing_held_out_and_nothing_found(tmp_path):
    pyramid = from_array(blobs(5, 8), tmp_path / "p", held_out=0.0)
    assert pyramid.array(8, HELD_OUT).shape == (0, 8, 8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no film found"):
        find_films(tmp_path / "empty")
    with pytest.raises(DataError, match="no pyramid there"):
        Pyramid.open(tmp_path / "empty")
    with pytest.raises(DataError, match="lower the held-out share"):
        assign_splits([Film(path=None, patient="a", split=HELD_OUT)], held_out=0.0, seed=0)
