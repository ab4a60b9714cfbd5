"""PNG, JPEG and TIFF by their bits."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from readerstudy.imaging.decoding.decoded import Decoded
from readerstudy.imaging.decoding.examine import decode
from readerstudy.imaging.decoding.refusal import Refused
from tests.imaging.dicom_files import chest

ROWS, COLUMNS = 120, 130
LEVELS = (np.arange(ROWS * COLUMNS) * 37 % 65536).reshape(ROWS, COLUMNS)


def taken(content: bytes, path: Path) -> Decoded:
    path.write_bytes(content)
    return decode(path)


def png(bits: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG written by hand (PNG 1.2, sections 3, 4 and 6): every row with filter 0."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        sum_ = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", sum_)

    head = struct.pack(">IIBBBBB", COLUMNS, ROWS, bits, colour, 0, 0, 0)
    stride = len(rows) // ROWS
    lines = b"".join(b"\0" + rows[i * stride : (i + 1) * stride] for i in range(ROWS))
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), *(chunk(*one) for one in chunks),
         chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")]
    )  # fmt: skip


def packed(levels: NDArray[Any], bits: int) -> bytes:
    """Rows of ``bits`` a pixel, the leftmost in the high bits, each row filled to a byte."""
    spread = (levels[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(spread.reshape(levels.shape[0], -1), axis=1).tobytes()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_png_of_few_bits_spans_the_whole_range(bits: int, tmp_path: Path) -> None:
    levels = LEVELS % (1 << bits)
    answer = taken(png(bits, 0, packed(levels, bits)), tmp_path / "a.png")
    assert answer.bits == 8
    assert np.array_equal(answer.pixels, levels * 255 // ((1 << bits) - 1))


def test_sixteen_bit_png_keeps_every_level_and_lays_its_clear_level_over_black(
    tmp_path: Path,
) -> None:
    rows = LEVELS.astype(">u2").tobytes()
    assert np.array_equal(taken(png(16, 0, rows), tmp_path / "a.png").pixels, LEVELS)
    clear = int(LEVELS[3, 5])
    answer = taken(png(16, 0, rows, (b"tRNS", struct.pack(">H", clear))), tmp_path / "b.png")
    assert np.array_equal(answer.pixels, np.where(clear == LEVELS, 0, LEVELS))


def test_palette_png(tmp_path: Path) -> None:
    levels = LEVELS % 256
    grey = b"".join(bytes([255 - i] * 3) for i in range(256))
    answer = taken(png(8, 3, packed(levels, 8), (b"PLTE", grey)), tmp_path / "a.png")
    assert np.array_equal(answer.pixels, 255 - levels)
    colours = b"".join(bytes([i, 255 - i, 128]) for i in range(256))
    with pytest.raises(Refused, match="coloured"):
        taken(png(8, 3, packed(levels, 8), (b"PLTE", colours)), tmp_path / "b.png")


def tiff(pixels: bytes, bits: int, photometric: int, *, kind: int = 1, order: str = "<") -> bytes:
    """A TIFF of one strip, written by hand (TIFF 6.0, section 2)."""
    tags = {256: COLUMNS, 257: ROWS, 258: bits, 259: 1, 262: photometric, 273: 0, 277: 1,
            278: ROWS, 279: len(pixels), 339: kind}  # fmt: skip
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(tags))
    for tag, value in sorted(tags.items()):
        if tag in (273, 279):
            out += struct.pack(order + "HHII", tag, 4, 1, value)
        else:
            out += struct.pack(order + "HHIHH", tag, 3, 1, value, 0)
    return out + bytes(4) + pixels


@pytest.mark.parametrize("white_is_zero", [False, True])
@pytest.mark.parametrize(
    ("order", "kind"),
    # Pillow knows no 32-bit TIFF in the other order.
    [("<", "u1"), ("<", "u2"), ("<", "i2"), ("<", "u4"), (">", "u1"), (">", "u2"), (">", "i2")],
)
def test_tiff_of_either_order_and_polarity(
    order: str, white_is_zero: bool, kind: str, tmp_path: Path
) -> None:
    bits = int(kind[1]) * 8
    levels = LEVELS % (256 if bits == 8 else 32768)
    content = tiff(
        levels.astype(order + kind).tobytes(), bits, int(not white_is_zero),
        kind=2 if kind[0] == "i" else 1, order=order,
    )  # fmt: skip
    answer = taken(content, tmp_path / "a.tif")
    top = (1 << answer.bits) - 1
    assert answer.bits == (8 if bits == 8 else 16)
    assert np.array_equal(answer.pixels, top - levels if white_is_zero else levels)


@pytest.mark.parametrize("white_is_zero", [False, True])
def test_twelve_bit_tiff_is_twelve_bits_deep(white_is_zero: bool, tmp_path: Path) -> None:
    levels = LEVELS % 4096
    answer = taken(tiff(packed(levels, 12), 12, int(not white_is_zero)), tmp_path / "a.tif")
    assert answer.bits == 12
    assert np.array_equal(answer.pixels, 4095 - levels if white_is_zero else levels)


def test_what_cannot_be_kept_is_refused_in_words(tmp_path: Path) -> None:
    floats = tiff(LEVELS.astype("<f4").tobytes(), 32, 1, kind=3)
    deep = tiff((LEVELS.astype(np.uint32) * 70_000 % (1 << 31)).astype("<u4").tobytes(), 32, 1)
    pages = io.BytesIO()
    page = Image.fromarray((LEVELS % 256).astype(np.uint8))
    page.save(pages, "TIFF", save_all=True, append_images=[page])
    ink = io.BytesIO()
    Image.fromarray(chest(top=255).astype(np.uint8)).convert("CMYK").save(ink, "JPEG")
    for content, code in (
        (floats, "bit-depth"), (deep, "bit-depth"), (pages.getvalue(), "multi-frame"),
        (ink.getvalue(), "colour"), (tiff(b"", 64, 1, kind=3), "damaged"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refusal:
            taken(content, tmp_path / "a")
        assert refusal.value.code == code


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG"])
@pytest.mark.parametrize(("orientation", "turn"), [(3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_followed(
    kind: str, orientation: int, turn: int, tmp_path: Path
) -> None:
    picture = Image.fromarray(chest(140, 180, top=255).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    plain, turned = io.BytesIO(), io.BytesIO()
    options = {"quality": 95} if kind == "JPEG" else {}
    picture.save(plain, kind, **options)
    picture.save(turned, kind, exif=exif, **options)
    upright = taken(plain.getvalue(), tmp_path / "a").pixels
    answer = taken(turned.getvalue(), tmp_path / "b").pixels
    assert np.array_equal(answer, np.rot90(upright, turn))


def test_resolutions_that_differ_make_pixels_oblong(tmp_path: Path) -> None:
    picture = Image.fromarray(chest(140, 180, top=255).astype(np.uint8))
    for kind in ("PNG", "JPEG", "TIFF"):
        file = io.BytesIO()
        picture.save(file, kind, dpi=(300, 150))
        assert taken(file.getvalue(), tmp_path / "a").pixel_aspect == pytest.approx(2, abs=0.01)
        file = io.BytesIO()
        picture.save(file, kind, dpi=(72, 72))
        assert taken(file.getvalue(), tmp_path / "a").pixel_aspect == 1.0


def test_what_else_the_file_carries_is_named_without_its_value(tmp_path: Path) -> None:
    picture = Image.fromarray(chest(140, 180, top=255).astype(np.uint8))
    words = PngImagePlugin.PngInfo()
    words.add_text("Author", "Dr Grey")
    words.add_text("Jane Doe 1962", "effusion")
    exif = Image.Exif()
    exif[0x010E], exif[0x9003] = "Jane Doe", "2020:02:29"
    file = io.BytesIO()
    picture.save(file, "PNG", pnginfo=words, exif=exif)
    dropped = taken(file.getvalue(), tmp_path / "a").dropped
    assert {"PNG text 'Author'", "PNG text under another key", "EXIF ImageDescription"} <= set(
        dropped
    )
    assert not [one for one in dropped if "Doe" in one or "Grey" in one or "2020" in one]
