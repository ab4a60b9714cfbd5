"""DICOM to canonical pixels."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from readerstudy.imaging.decoding import headers
from readerstudy.imaging.decoding.decoded import Decoded
from readerstudy.imaging.decoding.grey import collapse
from readerstudy.imaging.decoding.greyscale import pipeline
from readerstudy.imaging.decoding.limits import Limits
from readerstudy.imaging.decoding.refusal import Refused

_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420")

_CODECS = {
    DeflatedExplicitVRLittleEndian: "deflated",
    RLELossless: "RLE",
    JPEGBaseline8Bit: "JPEG baseline",
    JPEGExtended12Bit: "JPEG extended",
    JPEGLossless: "JPEG lossless",
    JPEGLosslessSV1: "JPEG lossless",
    JPEGLSLossless: "JPEG-LS",
    JPEGLSNearLossless: "JPEG-LS near-lossless",
    JPEG2000Lossless: "JPEG 2000 lossless",
    JPEG2000: "JPEG 2000",
    HTJ2KLossless: "HTJ2K lossless",
    HTJ2KLosslessRPCL: "HTJ2K lossless",
    HTJ2K: "HTJ2K",
}


def decode_dicom(path: Path, limits: Limits) -> Decoded:
    """Pixels of a DICOM file.

    Raises ``Refused`` for everything but a single-frame frontal chest radiograph that decodes to
    what its header says. The greyscale pipeline is that of PS3.3 C.11.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(path, force=True)
            # Touch the elements that everything below relies on: pydicom parses them lazily.
            for keyword in ("SOPClassUID", "Rows", "Columns", "BitsStored", "NumberOfFrames"):
                dataset.get(keyword)
        except Refused:
            raise
        except Exception as error:  # pydicom raises whatever its parsers do
            raise Refused("damaged", f"the DICOM header cannot be read: {_say(error)}") from None
        headers.refuse_other_objects(dataset)
        _check_declared(dataset, limits)
        return _decode(dataset, path)


def _check_declared(dataset: Dataset, limits: Limits) -> None:
    if "PixelData" not in dataset:
        other = [word for word in ("FloatPixelData", "DoubleFloatPixelData") if word in dataset]
        if other:
            raise Refused("bit-depth", "floating-point pixels: export the scan as integers")
        raise Refused("no-pixels", "the object holds no pixel data")
    rows, columns = _count(dataset, "Rows"), _count(dataset, "Columns")
    limits.check_matrix(rows, columns)
    allocated, samples = _count(dataset, "BitsAllocated"), _count(dataset, "SamplesPerPixel") or 1
    if allocated not in (8, 16):
        raise Refused("bit-depth", f"Bits Allocated is {allocated}; 8 and 16 are taken")
    if samples not in (1, 3):
        raise Refused("damaged", f"Samples per Pixel is {samples}; 1 or 3 are defined")
    syntax = _syntax(dataset)
    if not syntax.is_compressed:
        needed, held = rows * columns * samples * allocated // 8, len(dataset.PixelData)
        if str(dataset.get("PhotometricInterpretation")) == "YBR_FULL_422":
            needed = needed * 2 // 3
        if held < needed:
            raise Refused(
                "cut-off",
                f"{columns} x {rows} pixels need {needed:,} bytes, the file holds {held:,}",
            )


def _syntax(dataset: Dataset) -> Any:
    meta = getattr(dataset, "file_meta", None)
    syntax = meta.get("TransferSyntaxUID") if meta is not None else None
    if syntax is None:
        # A bare data set: say what pydicom found when it read it.
        explicit = dataset.original_encoding[0] is False
        little = dataset.original_encoding[1] is not False
        syntax = (
            ImplicitVRLittleEndian
            if not explicit
            else pydicom.uid.ExplicitVRLittleEndian
            if little
            else pydicom.uid.ExplicitVRBigEndian
        )
        if meta is None:
            dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise Refused("transfer-syntax", f"the transfer syntax {syntax} cannot be decoded")
    return syntax


def _decode(dataset: Dataset, path: Path) -> Decoded:
    photometric = str(dataset.get("PhotometricInterpretation") or "MONOCHROME2").strip()
    dataset.PhotometricInterpretation = photometric
    syntax = _syntax(dataset)
    rows, columns = _count(dataset, "Rows"), _count(dataset, "Columns")
    try:
        if syntax == JPEGExtended12Bit and _count(dataset, "BitsStored") > 8:
            stored = _jpeg_of_12_bits(path, rows, columns)
        else:
            # Left to itself pydicom clears the bits above Bits Stored, wherever High Bit says they
            # lie.
            dataset.pixel_array_options(correct_unused_bits=False)
            stored = dataset.pixel_array
        stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    except MemoryError:
        raise
    except Exception as error:  # every plugin has its own exceptions
        raise Refused("damaged", f"the pixel data cannot be decoded: {_say(error)}") from None
    if stored.shape[:2] != (rows, columns) or stored.ndim not in (2, 3):
        raise Refused(
            "damaged",
            f"the header says {columns} x {rows} pixels, the data decode to "
            f"{' x '.join(str(side) for side in stored.shape)}",
        )
    notes: list[str] = []
    window = None
    if photometric in ("MONOCHROME1", "MONOCHROME2"):
        signed = bool(dataset.get("PixelRepresentation", 0))
        bits_stored = _bits_stored(dataset, notes)
        index = _index(dataset, stored, bits_stored, signed=signed)
        grey = pipeline(dataset, bits_stored=bits_stored, signed=signed)
        pixels = _looked_up(index, grey.table)
        far = _padding_beyond(dataset, stored, bits_stored)
        if far is not None:
            pixels = np.where(far, np.uint16(0), pixels)
        bits, window = grey.bits, grey.window
        notes += grey.notes
    else:
        pixels, bits = _from_colour(dataset, stored, photometric)
        notes.append(f"grey stored as {photometric}")
    shape = headers.pixel_shape(dataset)
    if shape.width_mm is not None:
        notes.append(f"spacing from {shape.source}")
    if shape.aspect != 1.0:
        notes.append(f"pixels are {shape.aspect:.4g} times as high as wide ({shape.source})")
    return Decoded(
        pixels=pixels,
        bits=bits,
        source_format=f"DICOM {_CODECS.get(syntax, '')}".strip(),
        window=window,
        spacing_mm=shape.width_mm,
        pixel_aspect=shape.aspect,
        view=headers.view_of(dataset),
        sex=headers.sex_of(dataset),
        age_years=headers.age_of(dataset),
        patient_id=str(dataset.get("PatientID") or "").strip(),
        notes=notes,
        says_text=headers.says_burned_in(dataset),
        dataset=dataset,
    )


def _jpeg_of_12_bits(path: Path, rows: int, columns: int) -> NDArray[np.uint16]:
    """JPEG Extended (process 4) by GDCM's own reader: of the decoders under permissive licences
    the only one that knows it, and pydicom's plugin does not call it."""
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    if not reader.Read():
        raise ValueError("GDCM cannot read the 12-bit JPEG")
    image = reader.GetImage()
    # GDCM hands out char* as text.
    content = image.GetBuffer().encode("utf-8", "surrogateescape")
    if len(content) != 2 * rows * columns:
        raise ValueError(f"12-bit JPEG of {len(content):,} bytes for {columns} x {rows} pixels")
    return np.frombuffer(content, dtype="<u2").reshape(rows, columns)


def _padding_beyond(
    dataset: Dataset, stored: NDArray[Any], bits_stored: int
) -> NDArray[np.bool_] | None:
    """Where pixels are padding that Bits Stored cannot hold (65535 among 12 bits, say): cut to
    them it would be a grey level like any other. ``None`` where the padding is a stored value."""
    try:
        value = int(dataset.get("PixelPaddingValue"))
    except (TypeError, ValueError):
        return None
    depth, signed = stored.dtype.itemsize * 8, stored.dtype.kind == "i"
    value &= (1 << depth) - 1
    # What the pixels would be if the padding were one of them: with its sign, where it has one.
    number = value - (1 << depth) if signed and value >> (depth - 1) else value
    lowest = -(1 << (bits_stored - 1)) if signed else 0
    if lowest <= number < lowest + (1 << bits_stored):
        return None
    raw: NDArray[Any] = stored.view(np.uint8 if depth == 8 else np.uint16)
    return raw == value


def _looked_up(index: NDArray[np.uint16], table: NDArray[np.uint16] | None) -> NDArray[np.uint16]:
    """``table[index]``; the two commonest tables, nothing and plain inversion, need no look-up."""
    if table is None:
        return index
    top = table.size - 1
    if table[0] == top and np.array_equal(table, np.arange(top, -1, -1, dtype=np.uint16)):
        return np.subtract(np.uint16(top), index)
    return np.take(table, index, mode="clip")


def _bits_stored(dataset: Dataset, notes: list[str]) -> int:
    allocated = _count(dataset, "BitsAllocated")
    bits = _count(dataset, "BitsStored") or allocated
    if not 1 <= bits <= allocated:
        notes.append(f"Bits Stored {bits} does not fit Bits Allocated {allocated}")
        bits = allocated
    return bits


def _index(
    dataset: Dataset, stored: NDArray[Any], bits_stored: int, *, signed: bool
) -> NDArray[np.uint16]:
    """Stored values from 0 upwards: bits above Bits Stored (old overlays) are cut off, and a High
    Bit that is not Bits Stored - 1 is shifted down (PS3.5 8.1.1)."""
    allocated = stored.dtype.itemsize * 8
    raw: NDArray[Any] = stored.view(np.uint8 if allocated == 8 else np.uint16)
    high = _count(dataset, "HighBit")
    if high > bits_stored - 1 and high < allocated and not _syntax(dataset).is_compressed:
        raw = raw >> (high - bits_stored + 1)
    if bits_stored < allocated and (signed or int(raw.max()) >> bits_stored):
        raw = raw & ((1 << bits_stored) - 1)
    if signed:  # two's complement of bits_stored bits: adding half the range sorts it
        raw = raw ^ (1 << (bits_stored - 1))
    return raw if raw.dtype == np.uint16 else raw.astype(np.uint16)


def _from_colour(
    dataset: Dataset, stored: NDArray[Any], photometric: str
) -> tuple[NDArray[Any], int]:
    if photometric == "PALETTE COLOR":
        try:
            rgb = apply_color_lut(stored, dataset)
        except Exception as error:
            raise Refused("damaged", f"the palette cannot be applied: {_say(error)}") from None
        bits = rgb.dtype.itemsize * 8
        return collapse(rgb[..., :3], full=(1 << bits) - 1), bits
    if photometric in _COLOUR and stored.ndim == 3:
        bits = _count(dataset, "BitsStored") or stored.dtype.itemsize * 8
        return collapse(stored, full=(1 << bits) - 1), bits
    raise Refused("photometric", f"Photometric Interpretation {photometric!r} is not grey")


def _count(dataset: Dataset, keyword: str) -> int:
    try:
        return int(dataset.get(keyword) or 0)
    except (TypeError, ValueError):
        return 0


def _say(error: Exception) -> str:
    first = str(error).strip().split("\n")[0]
    return (first or type(error).__name__)[:200]
