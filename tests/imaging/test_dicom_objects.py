"""DICOM objects as devices and archives write them: encodings, shapes of pixels, kinds of views."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLSLossless,
    RLELossless,
)

from readerstudy.imaging import fingerprints
from readerstudy.imaging.blinding import render
from readerstudy.imaging.decoding.examine import decode
from readerstudy.imaging.decoding.refusal import Refused
from readerstudy.imaging.rendering import RenderingProtocol
from tests.imaging.dicom_files import chest, make, write

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.mark.parametrize(
    ("syntax", "offsets"),
    # An RLE frame is one fragment (PS3.5 A.4.2).
    [(syntax, offsets)
     for syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless)
     for offsets in ("basic", "none", "extended", "fragments")
     if (syntax, offsets) != (RLELossless, "fragments")],
)  # fmt: skip
def test_one_frame_however_it_is_encapsulated(syntax: str, offsets: str, tmp_path: Path) -> None:
    pixels = chest(200, 180)
    dataset = make(pixels)
    dataset.compress(syntax)
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    if offsets == "extended":
        packed = encapsulate_extended([frame])
        dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = packed
    else:
        dataset.PixelData = encapsulate(
            [frame], fragments_per_frame=3 if offsets == "fragments" else 1,
            has_bot=offsets == "basic",
        )  # fmt: skip
    assert np.array_equal(decode(write(tmp_path / "scan.dcm", dataset)).pixels, pixels)


def test_deflated(tmp_path: Path) -> None:
    pixels = chest(200, 181)
    dataset = make(pixels, syntax=DeflatedExplicitVRLittleEndian)
    assert np.array_equal(decode(write(tmp_path / "scan.dcm", dataset)).pixels, pixels)


def film_of_12_bits(path: Path) -> Path:
    """pydicom's own 12-bit JPEG (a bone scan) under the head of a chest film."""
    dataset = pydicom.dcmread(TEST_FILES / "JPEG-lossy.dcm")
    assert dataset.file_meta.TransferSyntaxUID == JPEGExtended12Bit
    film = make(np.zeros((dataset.Rows, dataset.Columns), np.uint16), syntax=JPEGExtended12Bit)
    film.PixelData = dataset.PixelData
    film["PixelData"].VR, film["PixelData"].is_undefined_length = "OB", True
    return write(path, film)


def test_twelve_bit_jpeg(tmp_path: Path) -> None:
    """Numbers of pylibjpeg-libjpeg 2.4 on the same file: 0 to 264, mean 14.383; decoders may round
    the inverse cosine transform apart by one level."""
    answer = decode(film_of_12_bits(tmp_path / "scan.dcm"))
    assert (answer.bits, answer.pixels.shape) == (12, (1024, 256))
    assert (int(answer.pixels.min()), int(answer.pixels.max())) == (0, 264)
    assert answer.pixels.mean() == pytest.approx(14.383, abs=0.05)


def test_broken_twelve_bit_jpeg_is_refused(tmp_path: Path) -> None:
    path = film_of_12_bits(tmp_path / "scan.dcm")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(Refused):
        decode(path)


def disc(rows: int, columns: int, aspect: float) -> np.ndarray[Any, Any]:
    """A bright disc of half the picture's true width, on pixels ``aspect`` times as high as
    wide."""
    y, x = np.indices((rows, columns)).astype(float)
    high = (y - rows / 2) * aspect
    return np.where(np.hypot(high, x - columns / 2) < columns / 4, 3000, 500).astype(np.uint16)


@pytest.mark.parametrize(
    "elements",
    [{"PixelSpacing": [0.4, 0.2]}, {"ImagerPixelSpacing": [0.3, 0.15]},
     {"NominalScannedPixelSpacing": [0.2, 0.1]}, {"PixelAspectRatio": [2, 1]}],
)  # fmt: skip
def test_pixels_that_are_not_square_are_shown_square(
    elements: dict[str, Any], tmp_path: Path
) -> None:
    """All attributes name the distance of rows first (C.7.6.3.1.7, 10.7.1.3)."""
    answer = decode(write(tmp_path / "scan.dcm", make(disc(150, 300, 2.0), **elements)))
    assert answer.pixel_aspect == pytest.approx(2.0)
    for fit in ("crop", "pad"):
        frame = render(
            answer.pixels, bits=12, window=None, aspect=answer.pixel_aspect,
            protocol=RenderingProtocol(matrix=256, fit=fit, kernel="bicubic"),
        )  # fmt: skip
        bright = frame > 2000
        high, wide = bright.any(axis=1).sum(), bright.any(axis=0).sum()
        assert abs(int(high) - int(wide)) <= 2, (fit, high, wide)
        assert 126 <= wide <= 134  # half of 256, and 1/64 that the inset magnifies
    picture = fingerprints.preview(answer.pixels, 12)
    from io import BytesIO

    from PIL import Image

    thumbnail = Image.open(BytesIO(fingerprints.thumbnail(picture, answer.pixel_aspect)))
    assert thumbnail.size == (256, 256)


def test_width_of_a_pixel_and_rounding_in_the_header(tmp_path: Path) -> None:
    square = decode(write(tmp_path / "a.dcm", make(chest(), PixelSpacing=[0.1750, 0.1751])))
    assert square.pixel_aspect == 1.0
    oblong = decode(write(tmp_path / "b.dcm", make(chest(), PixelSpacing=[0.2, 0.16])))
    assert (oblong.spacing_mm, oblong.pixel_aspect) == (pytest.approx(0.16), pytest.approx(1.25))
    absurd = decode(write(tmp_path / "c.dcm", make(chest(), PixelAspectRatio=[1, 90])))
    assert absurd.pixel_aspect == 1.0


@pytest.mark.parametrize(
    "elements",
    [{"ViewPosition": "LATERAL"}, {"ViewPosition": "LEFT LATERAL"}, {"ViewPosition": "LLO"},
     {"Modality": "CT"}, {"Modality": "MG"}, {"BodyPartExamined": "TSPINE"},
     {"BodyPartExamined": "THORACIC SPINE"}, {"BodyPartExamined": "BREAST"},
     {"ViewPosition": None, "ProtocolName": "Thorax seitlich"},
     {"ViewPosition": None, "SeriesDescription": "CHEST LLAT"}],
)  # fmt: skip
def test_other_views_and_parts_are_refused(elements: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(Refused):
        decode(write(tmp_path / "scan.dcm", make(chest(), **elements)))


@pytest.mark.parametrize(
    ("elements", "view"),
    [({"ViewPosition": "AP SUPINE"}, "AP"), ({"ViewPosition": "PA ERECT"}, "PA"),
     ({"BodyPartExamined": "TORAX"}, "PA"), ({"BodyPartExamined": "CHEST AND ABDOMEN"}, "PA"),
     ({"BodyPartExamined": "UNKNOWN"}, "PA"), ({"Modality": "RG"}, "PA"),
     ({"ViewPosition": None, "StudyDescription": "CHEST 2 VIEWS LAT"}, ""),
     ({"ViewPosition": None, "SeriesDescription": "PA AND LATERAL"}, "")],
)  # fmt: skip
def test_frontal_films_are_taken_however_they_are_described(
    elements: dict[str, Any], view: str, tmp_path: Path
) -> None:
    assert decode(write(tmp_path / "scan.dcm", make(chest(), **elements))).view == view


def test_view_codes_of_both_coding_schemes(tmp_path: Path) -> None:
    for code, scheme, refused in (
        ("399198007", "SCT", True), ("R-10236", "SRT", True), ("399135007", "SCT", True),
        ("272479007", "SCT", False), ("R-10206", "SRT", False),
    ):  # fmt: skip
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, scheme, "view"
        path = write(
            tmp_path / "scan.dcm", make(chest(), ViewPosition=None, ViewCodeSequence=[item])
        )
        if refused:
            with pytest.raises(Refused, match=code):
                decode(path)
        else:
            assert decode(path).view in ("PA", "AP")


def test_a_refusal_repeats_no_free_text(tmp_path: Path) -> None:
    dataset = make(chest(), ViewPosition=None, SeriesDescription="DOE JANE LATERAL 1962")
    with pytest.raises(Refused) as refusal:
        decode(write(tmp_path / "scan.dcm", dataset))
    assert "DOE" not in refusal.value.message


def test_an_odd_file_name_is_no_matter(tmp_path: Path) -> None:
    """The 12-bit decoder opens the file by its name."""
    source = film_of_12_bits(tmp_path / "scan.dcm")
    target = tmp_path / "Größe 12 bit, (Kopie).dcm"
    shutil.copy(source, target)
    assert decode(target).bits == 12
