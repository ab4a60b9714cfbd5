"""Tables as people's software writes them."""

from __future__ import annotations

import unicodedata

import pytest

from readerstudy.imaging.manifest import Manifest, ManifestError, parse

FILES = ["a.png", "images/b.png"]


def table(text: str | bytes) -> Manifest:
    return parse(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbffile;patient;labels;view\r\na.png;P1;"Mass|Effusion";PA\r\n',
        b"sep=;\r\nfile;patient;labels;view\r\na.png;P1;Mass|Effusion;PA\r\n",
        b"\r\nfile\tpatient\tlabels\tview\r\na.png\tP1\tMass|Effusion\tPA\r\n\r\n",
        'file,patient,labels,view\n"a.png","P1","Mass;Effusion","pa"\n'.encode("utf-16"),
        b'"file, as sent",file,patient,labels,view\n,a.png,P1,Mass|Effusion,PA\n',
        b'"file","patient","labels","view"\n.\\a.png,P1,Mass|Effusion,PA\n',
    ],
)
def test_delimiters_marks_and_encodings_of_spreadsheets(content: bytes) -> None:
    row = table(content).match(["a.png"])["a.png"]
    assert (row.patient, row.labels, row.view) == ("P1", ["Mass", "Effusion"], "PA")


@pytest.mark.parametrize(
    ("written", "there"),
    [("images\\b.png", "images/b.png"), ("IMAGES/B.PNG", "images/b.png"),
     ("b.png", "pack/images/b.png"), ("images/b.png", "pack/images/b.png"),
     ("D:\\study\\images\\b.png", "images/b.png"), ("/data/study/b.png", "b.png"),
     ("study/images/b.png", "images/b.png"),
     (unicodedata.normalize("NFD", "Müller/ü.png"), "Müller/ü.png")],
)  # fmt: skip
def test_a_row_finds_its_file(written: str, there: str) -> None:
    manifest = table(f"file,sex\n{written},F\n")
    assert manifest.match([there])[there].sex == "F"
    assert not manifest.wrong


def test_a_row_that_fits_two_files_is_wrong_and_neither_is_taken_for_it() -> None:
    manifest = table("file,sex\nb.png,F\nc.png,M\n")
    names = ["one/b.png", "two/b.png", "c.png"]
    found = manifest.match(names)
    assert set(found) == {"c.png"}
    assert [str(row) for row in manifest.wrong] == [
        "line 2: file 'b.png' fits 2 files, 'one/b.png' and 'two/b.png' among them: write the "
        "folder too"
    ]
    assert manifest.told_wrongly(names) == {"one/b.png", "two/b.png"}


def test_a_missing_file_is_not_made_up_for_by_one_of_the_same_name() -> None:
    manifest = table("file,sex\na.png,F\nbelow/b.png,M\n")
    assert set(manifest.match(["a.png", "b.png"])) == {"a.png"}
    assert manifest.wrong[0].line == 3


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    manifest = table('sep=,\nfile,note,sex\na.png,"two\nlines",F\n\nb.png,"x\ny",male?\nc.png,,7\n')
    assert [wrong.line for wrong in manifest.wrong] == [6, 8]


def test_wrong_rows_also_hold_back_files_that_are_spelled_otherwise() -> None:
    manifest = table("file,sex\nIMAGES\\B.png,unclear\n")
    assert manifest.match(FILES) == {}
    assert manifest.told_wrongly(FILES) == {"images/b.png"}


def test_what_a_generator_made_is_generated() -> None:
    manifest = table("file,origin,generator\na.png,,pggan-7\nb.png,real,pggan-7\nc.png,fake,\n")
    assert manifest.rows["a.png"].origin == "generated"
    assert manifest.rows["c.png"].origin == "generated"
    assert str(manifest.wrong[0]) == (
        "line 3: origin is acquired, yet generator 'pggan-7' is named"
    )


NIH = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient {sex},View Position,"
    "{size},\n00000001_000.png,Cardiomegaly|Hernia,0,1,{age},M,PA,2682,2749,0.143,0.143,\n"
)


@pytest.mark.parametrize("sex", ["Gender", "Sex"])
@pytest.mark.parametrize("age", ["058Y", "58", "058"])
@pytest.mark.parametrize(
    "size",
    ["OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]",
     '"OriginalImage[Width,Height]","OriginalImagePixelSpacing[x,y]"'],
)  # fmt: skip
def test_both_releases_of_the_nih_table(sex: str, age: str, size: str) -> None:
    manifest = table(NIH.format(sex=sex, age=age, size=size))
    row = manifest.match(["images_001/images/00000001_000.png"]).popitem()[1]
    assert not manifest.wrong
    assert (row.age, row.sex, row.view, row.patient) == (58, "M", "PA", "1")
    assert row.labels == ["Cardiomegaly", "Hernia"]
    assert row.spacing_of_width == (0.143, 2682)


def test_tables_that_are_none() -> None:
    for content, why in (
        (b"", "empty"), (b"\n\n", "empty"), (b"name,sex\na,F\n", "no column names the files"),
        (b"file,File Name\na,b\n", "both mean 'file'"), (b"file\na\0b\n", "NUL"),
    ):  # fmt: skip
        with pytest.raises(ManifestError, match=why):
            table(content)
