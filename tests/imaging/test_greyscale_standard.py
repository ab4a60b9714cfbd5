"""The whole greyscale pipeline against PS3.3 written out value by value, over many combinations."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from readerstudy.imaging.decoding.examine import decode
from readerstudy.imaging.decoding.greyscale import apply_window
from tests.imaging.dicom_files import make, write

SIDE = 112


def values_of(bits: int, signed: bool) -> NDArray[np.int64]:
    """Every value of so many bits, or many of them, both ends among them."""
    lowest = -(1 << (bits - 1)) if signed else 0
    spread = np.arange(SIDE * SIDE) * 40503 % (1 << bits)
    spread[:2] = 0, (1 << bits) - 1
    return (spread + lowest).reshape(SIDE, SIDE)


def film(bits: int, signed: bool, *, high: int | None = None, **elements: Any) -> Dataset:
    """A DX object whose stored values are ``values_of``, the highest bit at ``high``."""
    size = 8 if bits <= 8 and (high is None or high < 8) else 16
    high = bits - 1 if high is None else high
    word = (values_of(bits, signed) & ((1 << bits) - 1)) << (high - bits + 1)
    if signed and high == bits - 1:  # sign-extended, as most scanners write it
        word = np.where(word >> (bits - 1) & 1, word | ((1 << size) - (1 << bits)), word)
    pixels = word.astype(np.uint8 if size == 8 else np.uint16)
    return make(
        pixels, BitsStored=bits, HighBit=high, PixelRepresentation=int(signed), **elements
    )  # fmt: skip


def saved(dataset: Dataset, path: Path, syntax: Any) -> None:
    """In another encoding; pydicom leaves bytes in the order they are in."""
    if not syntax.is_little_endian and dataset.BitsAllocated == 16:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    plain = Dataset()
    plain.update(dataset)
    plain.file_meta, plain.preamble = dataset.file_meta, dataset.preamble
    plain.file_meta.TransferSyntaxUID = syntax
    plain.save_as(path, enforce_file_format=True)


def shown(path: Path) -> NDArray[np.float64]:
    answer = decode(path)
    return apply_window(answer.pixels, answer.window, bits=answer.bits)


def standard(
    stored: NDArray[np.int64],
    bits: int,
    signed: bool,
    *,
    slope: float = 1.0,
    intercept: float = 0.0,
    window: tuple[str, float, float] | None = None,
    inverse: bool = False,
) -> NDArray[np.float64]:
    """C.11.1.1.2, then C.11.2.1.2.1 / C.11.2.1.3.1 / C.11.2.1.3.2, then C.11.6.1.2; 0 to 1."""
    lowest = -(1 << (bits - 1)) if signed else 0
    ends = [lowest * slope + intercept, (lowest + (1 << bits) - 1) * slope + intercept]

    def one(value: int) -> float:
        x = value * slope + intercept
        if window is None:
            y = (x - min(ends)) / (max(ends) - min(ends))
        else:
            function, c, w = window
            if function == "SIGMOID":
                y = 1 / (1 + math.exp(max(-500.0, min(500.0, -4 * (x - c) / w))))
            elif function == "LINEAR_EXACT":
                y = min(1.0, max(0.0, (x - c) / w + 0.5))
            elif x <= c - 0.5 - (w - 1) / 2:
                y = 0.0
            elif x > c - 0.5 + (w - 1) / 2:
                y = 1.0
            else:
                y = (x - (c - 0.5)) / (w - 1) + 0.5
        return 1 - y if inverse else y

    return np.array([one(int(value)) for value in stored.ravel()]).reshape(stored.shape)


DEPTHS = [
    (bits, signed) for bits in range(1, 17) for signed in (False, True) if bits > 1 or not signed
]


@pytest.mark.parametrize(("bits", "signed"), DEPTHS)
def test_every_depth_and_sign_in_every_encoding(bits: int, signed: bool, tmp_path: Path) -> None:
    for syntax, inverse in itertools.product(
        (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian), (False, True)
    ):
        name = "MONOCHROME1" if inverse else "MONOCHROME2"
        dataset = film(bits, signed, PhotometricInterpretation=name)
        path = tmp_path / "scan.dcm"
        saved(dataset, path, syntax)
        answer = decode(path)
        assert answer.bits == bits
        expected = standard(values_of(bits, signed), bits, signed, inverse=inverse)
        assert np.array_equal(answer.pixels, np.rint(expected * ((1 << bits) - 1))), syntax.name


@pytest.mark.parametrize(
    ("bits", "signed", "high"),
    [(10, False, 11), (12, False, 15), (12, True, 15), (7, False, 7), (6, True, 7)],
)
def test_high_bits_that_lie_higher(bits: int, signed: bool, high: int, tmp_path: Path) -> None:
    path = write(tmp_path / "scan.dcm", film(bits, signed, high=high))
    assert shown(path) == pytest.approx(standard(values_of(bits, signed), bits, signed))


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(
    ("slope", "intercept"), [(1.0, 0.0), (1.0, -1024.0), (0.25, -7.5), (-2.0, 300.0)]
)
@pytest.mark.parametrize(("bits", "signed"), [(12, False), (12, True), (16, False), (8, False)])
def test_windows_over_rescaled_values(
    function: str, slope: float, intercept: float, bits: int, signed: bool, tmp_path: Path
) -> None:
    """Centres and widths among the values that there are; both polarities."""
    lowest = -(1 << (bits - 1)) if signed else 0
    middle = (lowest + (1 << (bits - 1))) * slope + intercept
    reach = (1 << bits) * abs(slope)
    for centre, width, inverse in (
        (middle, reach / 2, False),
        (middle - reach / 4, reach / 16, True),
        (middle, 2 * reach, True),
    ):
        dataset = film(
            bits, signed, RescaleSlope=str(slope), RescaleIntercept=str(intercept),
            WindowCenter=[f"{centre:.6g}", "1"], WindowWidth=[f"{width:.6g}", "1"],
            VOILUTFunction=function,
            PhotometricInterpretation="MONOCHROME1" if inverse else "MONOCHROME2",
        )  # fmt: skip
        path = write(tmp_path / "scan.dcm", dataset)
        window = (function, float(f"{centre:.6g}"), float(f"{width:.6g}"))
        expected = standard(
            values_of(bits, signed), bits, signed, slope=slope, intercept=intercept,
            window=window, inverse=inverse,
        )  # fmt: skip
        # A sigmoid is kept on 16 bits, everything else exactly.
        tolerance = 1e-5 if function == "SIGMOID" else 1e-9
        assert np.abs(shown(path) - expected).max() < tolerance, (centre, width, inverse)


def test_a_window_of_width_one_is_a_step(tmp_path: Path) -> None:
    dataset = film(12, False, WindowCenter="1001", WindowWidth="1")
    path = write(tmp_path / "scan.dcm", dataset)
    expected = standard(values_of(12, False), 12, False, window=("LINEAR", 1001, 1))
    assert set(np.unique(expected)) == {0.0, 1.0}
    assert np.array_equal(shown(path), expected)


def table_of(
    entries: list[int], first: int, depth: int, *, representation: str = "US", packed: str = ""
) -> Dataset:
    """One item of a VOI LUT Sequence; ``packed`` gives bytes of that type instead of numbers."""
    item = Dataset()
    item.add_new("LUTDescriptor", representation, [len(entries) % 65536, first, depth])
    if packed:
        content = np.array(entries).astype(packed).tobytes()
        item.add_new("LUTData", "OW", content + b"\0" * (len(content) % 2))
    else:
        item.add_new("LUTData", "US", entries)
    return item


@pytest.mark.parametrize(
    ("syntax", "packed", "depth"),
    [(ExplicitVRLittleEndian, "", 10), (ExplicitVRLittleEndian, "<u2", 10),
     (ImplicitVRLittleEndian, "<u2", 16), (ExplicitVRBigEndian, "", 12),
     (ExplicitVRBigEndian, ">u2", 12), (ExplicitVRLittleEndian, "u1", 8),
     (ExplicitVRLittleEndian, "<u2", 8)],
)  # fmt: skip
def test_voi_luts_however_they_are_written(
    syntax: Any, packed: str, depth: int, tmp_path: Path
) -> None:
    """Values below the first entry take the first, above the last the last (C.11.2.1.1); the first
    value mapped may be negative."""
    top = (1 << depth) - 1
    entries = [round(top * (i / 1500) ** 2) for i in range(1501)]
    stored = values_of(12, True)
    dataset = film(12, True)
    item = table_of(entries, -700, depth, representation="SS", packed=packed)
    dataset.VOILUTSequence = [item, table_of([0, 1], 0, 8)]
    path = tmp_path / "scan.dcm"
    saved(dataset, path, syntax)
    answer = decode(path)
    assert (answer.bits, answer.window) == (depth, None)
    expected = np.array(entries)[np.clip(stored + 700, 0, 1500)]
    assert np.array_equal(answer.pixels, expected)


def test_voi_lut_after_a_rescale_below_zero(tmp_path: Path) -> None:
    """The first value mapped is written as an unsigned number although the values it counts from
    are negative: -1000 is 64536 (C.11.2.1.1)."""
    stored = values_of(12, False)
    dataset = film(12, False, RescaleSlope="1", RescaleIntercept="-1000")
    entries = [min(i, 1023) for i in range(4096)]
    dataset.VOILUTSequence = [table_of(entries, 64536, 10)]
    answer = decode(write(tmp_path / "scan.dcm", dataset))
    assert np.array_equal(answer.pixels, np.minimum(stored, 1023))


@pytest.mark.parametrize(
    ("signed", "value", "limit"),
    [(False, 4000, None), (False, 3900, 4095), (True, -2048, None), (True, -2048, -2000),
     (False, 65535, None), (True, -30000, None)],
)  # fmt: skip
@pytest.mark.parametrize("name", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_wherever_it_lies(
    signed: bool, value: int, limit: int | None, name: str, tmp_path: Path
) -> None:
    """Also padding that Bits Stored cannot hold, which cutting to them would make a grey level."""
    stored = values_of(12, signed)
    pad = np.zeros(stored.shape, dtype=bool)
    pad[:30] = True
    words = np.where(pad, value, stored)
    pixels = words.astype(np.int16 if signed else np.uint16)
    dataset = make(pixels, BitsStored=12, PhotometricInterpretation=name)
    dataset.add_new("PixelPaddingValue", "SS" if signed else "US", value)
    if limit is not None:
        dataset.add_new("PixelPaddingRangeLimit", "SS" if signed else "US", limit)
        pad |= (stored >= min(value, limit)) & (stored <= max(value, limit))
    pad |= words == value
    answer = decode(write(tmp_path / "scan.dcm", dataset))
    expected = standard(stored, 12, signed, inverse=name == "MONOCHROME1") * 4095
    assert np.array_equal(answer.pixels, np.where(pad, 0, np.rint(expected)))


def test_overlays_are_left_out(tmp_path: Path) -> None:
    """In group 60xx, and in the bits above Bits Stored, where old objects keep them."""
    dataset = film(12, False)
    words = np.frombuffer(dataset.PixelData, "<u2") | 0x8000
    dataset.PixelData = words.tobytes()
    dataset.add_new(0x60000010, "US", SIDE)
    dataset.add_new(0x60000011, "US", SIDE)
    dataset.add_new(0x60000040, "CS", "G")
    dataset.add_new(0x60000050, "SS", [1, 1])
    dataset.add_new(0x60000100, "US", 1)
    dataset.add_new(0x60000102, "US", 0)
    dataset.add_new(0x60003000, "OW", bytes([255]) * (SIDE * SIDE // 8))
    answer = decode(write(tmp_path / "scan.dcm", dataset))
    assert np.array_equal(answer.pixels, values_of(12, False))


def test_odd_number_of_bytes(tmp_path: Path) -> None:
    grey = (np.arange(113 * 115) * 31 % 256).reshape(113, 115).astype(np.uint8)
    dataset = make(grey, PixelData=grey.tobytes() + b"\0")
    assert np.array_equal(decode(write(tmp_path / "scan.dcm", dataset)).pixels, grey)


def test_no_preamble_no_meta(tmp_path: Path) -> None:
    """A bare data set, as ACR-NEMA toolkits and some archives write it, in both encodings."""
    for implicit in (True, False):
        dataset = film(12, False)
        path = tmp_path / f"bare-{implicit}.dcm"
        del dataset.file_meta
        dataset.preamble = None
        dataset.save_as(path, implicit_vr=implicit, little_endian=True)
        assert path.read_bytes()[:2] == b"\x08\x00"
        assert np.array_equal(decode(path).pixels, values_of(12, False))
