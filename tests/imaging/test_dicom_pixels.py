"""Right pixels first: the greyscale pipeline, by hand and against pydicom's own."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut, apply_windowing

from readerstudy.imaging.decoding import dicom
from readerstudy.imaging.decoding.decoded import Decoded
from readerstudy.imaging.decoding.examine import decode
from readerstudy.imaging.decoding.greyscale import apply_window
from readerstudy.imaging.decoding.refusal import Refused
from tests.imaging.dicom_files import chest, lut, make, ramp, write


def decoded(dataset: Dataset, tmp_path: Path) -> Decoded:
    return decode(write(tmp_path / "scan.dcm", dataset))


def test_monochrome2_keeps_every_stored_level(tmp_path: Path) -> None:
    pixels = ramp()
    answer = decoded(make(pixels), tmp_path)
    assert answer.bits == 12
    assert answer.window is None
    assert np.array_equal(answer.pixels, pixels)


def test_monochrome1_is_turned_so_that_higher_is_brighter(tmp_path: Path) -> None:
    pixels = ramp()
    answer = decoded(make(pixels, PhotometricInterpretation="MONOCHROME1"), tmp_path)
    assert np.array_equal(answer.pixels, 4095 - pixels)


@pytest.mark.parametrize(
    ("photometric", "shape", "turned"),
    [("MONOCHROME2", "INVERSE", True), ("MONOCHROME2", "IDENTITY", False),
     ("MONOCHROME1", "INVERSE", True)],
)  # fmt: skip
def test_presentation_lut_shape_turns_once(
    photometric: str, shape: str, turned: bool, tmp_path: Path
) -> None:
    pixels = ramp()
    dataset = make(pixels, PhotometricInterpretation=photometric, PresentationLUTShape=shape)
    answer = decoded(dataset, tmp_path)
    assert np.array_equal(answer.pixels, 4095 - pixels if turned else pixels)


def test_linear_window_follows_the_standard_at_its_edges(tmp_path: Path) -> None:
    # PS3.3 C.11.2.1.2.1: c = 2048, w = 4096 maps 0 to ymin and 4095 to ymax.
    answer = decoded(make(ramp(), WindowCenter=2048, WindowWidth=4096), tmp_path)
    shown = apply_window(np.array([0, 2048, 4095]), answer.window, bits=12)
    assert shown == pytest.approx([0, (2048 - 2047.5) / 4095 + 0.5, 1], abs=1e-12)


def test_window_in_rescaled_units_is_carried_to_stored_levels(tmp_path: Path) -> None:
    # value = 2 s - 1000; window 1000 +- 500 (exact) is s from 750 to 1250.
    dataset = make(
        ramp(), RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=1000, WindowWidth=1000,
        VOILUTFunction="LINEAR_EXACT",
    )  # fmt: skip
    assert decoded(dataset, tmp_path).window == pytest.approx((1000, 500))


def test_negative_slope_turns_the_picture_and_the_window(tmp_path: Path) -> None:
    # value = 4095 - s; the window 3000..4000 is s from 95 to 1095, canonical 3000 to 4000.
    pixels = ramp()
    dataset = make(
        pixels, RescaleSlope=-1, RescaleIntercept=4095, WindowCenter=3500, WindowWidth=1000,
        VOILUTFunction="LINEAR_EXACT",
    )  # fmt: skip
    answer = decoded(dataset, tmp_path)
    assert np.array_equal(answer.pixels, 4095 - pixels)
    assert answer.window == pytest.approx((3500, 1000))


def test_monochrome1_turns_its_window_too(tmp_path: Path) -> None:
    dataset = make(
        ramp(), PhotometricInterpretation="MONOCHROME1", WindowCenter=1000, WindowWidth=400,
        VOILUTFunction="LINEAR_EXACT",
    )  # fmt: skip
    assert decoded(dataset, tmp_path).window == pytest.approx((3095, 400))


def test_sigmoid_window_by_hand(tmp_path: Path) -> None:
    # y = 65535 / (1 + exp(-4 (x - 2000) / 800)), PS3.3 C.11.2.1.3.1.
    pixels = ramp()
    dataset = make(pixels, WindowCenter=2000, WindowWidth=800, VOILUTFunction="SIGMOID")
    answer = decoded(dataset, tmp_path)
    by_hand = np.rint(65535 / (1 + np.exp(-4 * (pixels.astype(float) - 2000) / 800)))
    assert answer.bits == 16
    assert answer.window is None
    assert np.array_equal(answer.pixels, by_hand)


def test_voi_lut_sequence_goes_before_the_window(tmp_path: Path) -> None:
    pixels = ramp()
    table = [round((level / 4095) ** 0.5 * 1023) for level in range(4096)]
    dataset = make(pixels, WindowCenter=100, WindowWidth=20)
    dataset.VOILUTSequence = [lut(table, bits=10)]
    answer = decoded(dataset, tmp_path)
    assert (answer.bits, answer.window) == (10, None)
    assert np.array_equal(answer.pixels, np.array(table)[pixels])


def test_voi_lut_ends_hold_beyond_its_range(tmp_path: Path) -> None:
    pixels = ramp()
    dataset = make(pixels)
    dataset.VOILUTSequence = [lut(list(range(0, 2000, 2)), first=500, bits=11)]
    answer = decoded(dataset, tmp_path)
    expected = np.clip(pixels.astype(int) - 500, 0, 999) * 2
    assert np.array_equal(answer.pixels, expected)


def test_voi_lut_of_65536_entries_announces_zero(tmp_path: Path) -> None:
    pixels = ramp(top=65535)
    dataset = make(pixels, BitsStored=16)
    dataset.VOILUTSequence = [lut([65535 - level for level in range(65536)], bits=16)]
    assert np.array_equal(decoded(dataset, tmp_path).pixels, 65535 - pixels)


def test_voi_lut_is_turned_after_it_is_applied(tmp_path: Path) -> None:
    pixels = ramp()
    dataset = make(pixels, PhotometricInterpretation="MONOCHROME1")
    table = [min(level // 4, 1000) for level in range(4096)]
    dataset.VOILUTSequence = [lut(table, bits=10)]
    assert np.array_equal(decoded(dataset, tmp_path).pixels, 1023 - np.array(table)[pixels])


def test_modality_lut_is_applied_before_the_window(tmp_path: Path) -> None:
    pixels = ramp()
    dataset = make(
        pixels, WindowCenter=500, WindowWidth=100, VOILUTFunction="LINEAR_EXACT",
    )  # fmt: skip
    item = lut([level // 4 for level in range(4096)], bits=10)
    item.ModalityLUTType = "US"
    dataset.ModalityLUTSequence = [item]
    answer = decoded(dataset, tmp_path)
    assert np.array_equal(answer.pixels, pixels // 4)
    assert (answer.bits, answer.window) == (10, (500, 100))


def test_signed_pixels_begin_at_zero(tmp_path: Path) -> None:
    pixels = (ramp().astype(np.int32) - 2048).astype(np.int16)
    dataset = make(pixels, WindowCenter=0, WindowWidth=100, VOILUTFunction="LINEAR_EXACT")
    answer = decoded(dataset, tmp_path)
    assert np.array_equal(answer.pixels, pixels.astype(int) + 2048)
    assert answer.window == (2048, 100)


def test_signed_pixels_with_unextended_sign_bit(tmp_path: Path) -> None:
    values = ramp().astype(np.int32) - 2048
    stored = (values & 0xFFF).astype(np.uint16)
    dataset = make(stored, PixelRepresentation=1)
    assert np.array_equal(decoded(dataset, tmp_path).pixels, values + 2048)


def test_overlay_bits_above_bits_stored_are_cut_off(tmp_path: Path) -> None:
    pixels = ramp()
    dirty = pixels | 0xA000
    assert np.array_equal(decoded(make(dirty), tmp_path).pixels, pixels)


def test_high_bit_shifts_down(tmp_path: Path) -> None:
    pixels = ramp()
    dataset = make(pixels << 4, BitsStored=12, HighBit=15)
    assert np.array_equal(decoded(dataset, tmp_path).pixels, pixels)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_in_either_polarity(photometric: str, tmp_path: Path) -> None:
    pixels = ramp()
    pixels[:20] = 4095
    pixels[20:40] = 4000
    dataset = make(pixels, PhotometricInterpretation=photometric)
    dataset.add_new("PixelPaddingValue", "US", 4095)
    dataset.add_new("PixelPaddingRangeLimit", "US", 3990)
    answer = decoded(dataset, tmp_path)
    assert answer.pixels[:40].max() == 0
    assert answer.pixels[40:].max() > 3900


def test_grey_in_rgb_and_palette_is_unwrapped(tmp_path: Path) -> None:
    grey = (chest(top=255)).astype(np.uint8)
    answer = decoded(make(np.repeat(grey[..., None], 3, axis=2)), tmp_path)
    assert np.array_equal(answer.pixels, grey)
    dataset = make(grey, PhotometricInterpretation="PALETTE COLOR")
    for colour in ("Red", "Green", "Blue"):
        dataset.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        table = (np.arange(256, dtype=np.uint16)[::-1] * 257).tobytes()
        dataset.add_new(f"{colour}PaletteColorLookupTableData", "OW", table)
    answer = decoded(dataset, tmp_path)
    assert np.array_equal(answer.pixels, (255 - grey.astype(int)) * 257)


def test_colour_is_refused(tmp_path: Path) -> None:
    photograph = np.random.default_rng(0).integers(0, 255, (128, 128, 3)).astype(np.uint8)
    with pytest.raises(Refused, match="coloured"):
        decoded(make(photograph), tmp_path)


@pytest.mark.parametrize(
    ("elements", "spacing"),
    [
        ({"PixelSpacing": [0.139, 0.139]}, 0.139),
        ({"ImagerPixelSpacing": [0.2, 0.2]}, 0.2),
        ({"ImagerPixelSpacing": [0.2, 0.2],
          "EstimatedRadiographicMagnificationFactor": 1.25}, 0.16),
        ({"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.16, 0.16]}, 0.16),
        # Copied from the detector plane without calibration: divided like the original.
        ({"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.2, 0.2],
          "EstimatedRadiographicMagnificationFactor": 1.25}, 0.16),
        ({"PixelSpacing": [0, 0]}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_spacing_in_the_patient(
    elements: dict[str, Any], spacing: float | None, tmp_path: Path
) -> None:
    assert decoded(make(chest(), **elements), tmp_path).spacing_mm == pytest.approx(spacing)


def reference(dataset: Dataset) -> np.ndarray:
    """pydicom's pipeline, 0 .. 1, higher brighter."""
    values = apply_modality_lut(dataset.pixel_array, dataset)
    if "VOILUTSequence" in dataset:
        depth = dataset.VOILUTSequence[0].LUTDescriptor[2]
        shown = apply_voi_lut(values, dataset, prefer_lut=True) / (2**depth - 1)
    elif "WindowCenter" in dataset:
        shown = apply_windowing(values.astype(float), dataset)
        ends = np.array([-1e9, 1e9])
        probe = Dataset()
        probe.update(dataset)
        low, high = apply_windowing(ends, probe)
        shown = (shown - low) / (high - low)
    else:
        signed, bits = dataset.PixelRepresentation, dataset.BitsStored
        low = -(1 << (bits - 1)) if signed else 0
        ends = np.sort(apply_modality_lut(np.array([low, low + (1 << bits) - 1]), dataset))
        shown = (values - ends[0]) / (ends[1] - ends[0])
    return 1 - shown if dataset.PhotometricInterpretation == "MONOCHROME1" else shown


def test_agrees_with_pydicom_on_its_test_files() -> None:
    compared, apart = [], []
    for path in sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                dataset = pydicom.dcmread(path)
                grey = str(dataset.PhotometricInterpretation).startswith("MONOCHROME")
                if not grey or int(dataset.get("NumberOfFrames") or 1) > 1:
                    continue
                if dataset.BitsAllocated not in (8, 16):
                    continue
                dataset.pixel_array  # noqa: B018 - what pydicom cannot decode is no reference
                expected = reference(dataset)
            except Exception:
                continue
            answer = dicom._decode(dataset, path)
        shown = apply_window(answer.pixels, answer.window, bits=answer.bits)
        compared.append(path.name)
        # VOI LUTs whose entries exceed their stated depth are the one place where scales differ.
        if np.abs(shown - expected).max() > 1e-6:
            apart.append((path.name, float(np.abs(shown - expected).max())))
    assert not apart
    assert len(compared) >= 15, compared


def test_every_transfer_syntax_gives_the_same_pixels(tmp_path: Path) -> None:
    """RLE, JPEG-LS and JPEG 2000 lossless, made here by pydicom's encoders, decode to the very
    pixels; the syntaxes without an encoder are compared with pydicom on its files above."""
    pixels = chest(256, 256)
    plain = decoded(make(pixels), tmp_path)
    for syntax in (
        pydicom.uid.RLELossless, pydicom.uid.JPEGLSLossless, pydicom.uid.JPEG2000Lossless,
        pydicom.uid.DeflatedExplicitVRLittleEndian, pydicom.uid.ImplicitVRLittleEndian,
    ):  # fmt: skip
        dataset = make(pixels)
        if syntax.is_compressed and syntax.is_encapsulated:
            dataset.compress(syntax)
        else:
            dataset.file_meta.TransferSyntaxUID = syntax
        answer = decoded(dataset, tmp_path)
        assert np.array_equal(answer.pixels, plain.pixels), syntax.name


HTJ2K = Path(__file__).parent / "htj2k"


@pytest.mark.parametrize(
    ("stream", "syntax", "offset", "within"),
    [("grey16-lossless", pydicom.uid.HTJ2KLossless, 0, 0),
     ("grey16-lossless", pydicom.uid.HTJ2KLosslessRPCL, 0, 0),
     ("grey16-lossless", pydicom.uid.HTJ2K, 0, 0),
     ("signed16-lossless", pydicom.uid.HTJ2KLossless, 1460, 0),
     ("grey16-lossy", pydicom.uid.HTJ2K, 0, 1)],
)  # fmt: skip
def test_high_throughput_jpeg_2000_of_another_maker(
    stream: str, syntax: str, offset: int, within: int, tmp_path: Path
) -> None:
    """Grey codestreams of OpenJPH (see the folder's README) in all three transfer syntaxes."""
    y, x = np.mgrid[0:104, 0:112]
    pixels = (x * x + y * y) // 8 - offset
    dataset = make(pixels.astype(np.int16 if offset else np.uint16), syntax=syntax, BitsStored=16)
    dataset.PixelData = encapsulate([(HTJ2K / f"{stream}.j2c").read_bytes()])
    dataset["PixelData"].VR = "OB"
    answer = decoded(dataset, tmp_path)
    expected = pixels + (1 << 15 if offset else 0)
    assert answer.bits == 16
    assert np.abs(answer.pixels.astype(int) - expected).max() <= within


@pytest.mark.parametrize("syntax", ["JPEGLosslessProcess14", "JPEGLosslessProcess14_1"])
def test_lossless_jpeg_gives_the_same_pixels(syntax: str, tmp_path: Path) -> None:
    gdcm = pytest.importorskip("gdcm")
    pixels = chest(256, 256)
    source = write(tmp_path / "plain.dcm", make(pixels))
    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(tmp_path / "lossless.dcm"))
    assert writer.Write()
    assert np.array_equal(decode(tmp_path / "lossless.dcm").pixels, pixels)


def test_real_film_in_two_encodings(films: Path) -> None:
    lossless = decode(films / "dicom" / "RG1_UNCR.dcm")
    lossy = decode(films / "dicom" / "RG1_J2KI.dcm")
    assert lossless.pixels.shape == lossy.pixels.shape == (1955, 1841)
    assert (lossless.bits, lossless.view, lossless.sex, lossless.age_years) == (15, "PA", "F", 64)
    stored = pydicom.dcmread(films / "dicom" / "RG1_UNCR.dcm").pixel_array
    assert np.array_equal(lossless.pixels, 32767 - stored)
    assert np.corrcoef(lossless.pixels.ravel(), lossy.pixels.ravel())[0, 1] > 0.999
