"""PNG, JPEG and TIFF to canonical pixels."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from readerstudy.imaging.decoding.decoded import Decoded
from readerstudy.imaging.decoding.grey import collapse
from readerstudy.imaging.decoding.headers import squared
from readerstudy.imaging.decoding.limits import Limits
from readerstudy.imaging.decoding.refusal import Refused

_PILLOW = {"png": "PNG", "jpeg": "JPEG", "tiff": "TIFF"}
_EXIF_ORIENTATION = 0x0112
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SHORT = 258, 262, 3
_PNG_KEYS = {"Title", "Author", "Description", "Copyright", "Creation Time", "Software",
             "Disclaimer", "Warning", "Source", "Comment"}  # fmt: skip
# TIFF tags that say how the pixels lie: they are no companions.
_STRUCTURE = {254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 274, 277, 278, 279, 282, 283, 284,
              296, 317, 320, 322, 323, 324, 325, 338, 339, 347, 530, 531, 532}  # fmt: skip


def decode_raster(path: Path, kind: str, limits: Limits) -> Decoded:
    """Pixels of a PNG, JPEG or TIFF file.

    Raises ``Refused`` for colour, several frames, floating-point pixels, more pixels than
    ``limits`` allow (before any is decoded) and for damaged files.
    """
    Image.MAX_IMAGE_PIXELS = None  # the matrix is checked below, before pixels are touched
    if kind == "png":
        _refuse_deep_colour(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(path, kind, limits)
    except Refused:
        raise
    except UnidentifiedImageError:
        raise Refused(
            "damaged",
            f"the {_PILLOW[kind]} header cannot be read, or announces pixels of a kind that is not "
            "known here: save the scan as 8- or 16-bit greyscale PNG",
        ) from None
    except (OSError, SyntaxError, ValueError, struct.error, EOFError, KeyError) as error:
        raise Refused("damaged", f"the {_PILLOW[kind]} cannot be decoded: {error}") from None


def _decode(path: Path, kind: str, limits: Limits) -> Decoded:
    source: Path | io.BytesIO = path
    inverted = False
    if kind == "tiff":
        # Pillow maps a named file into memory with its sides exchanged where it is to be turned,
        # and knows WhiteIsZero for 8 bits only, which it turns by itself.
        content = path.read_bytes()
        turned = black_is_zero(content)
        source, inverted = io.BytesIO(turned or content), turned is not None
    with Image.open(source, formats=[_PILLOW[kind]]) as image:
        limits.check_matrix(image.height, image.width)
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            raise Refused("multi-frame", f"the file holds {frames} images; one radiograph is taken")
        return _canonical(image, kind, inverted=inverted)


def _canonical(image: Image.Image, kind: str, *, inverted: bool) -> Decoded:
    name, notes = _PILLOW[kind], []
    aspect, dropped = _aspect(image), companions(image)
    orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    depth = _tag(image, _BITS_PER_SAMPLE) if kind == "tiff" else None
    bits = 12 if depth in (12, (12,)) else 16
    image.load()
    if orientation != 1:
        if kind != "tiff":  # Pillow turns that while it loads
            image = ImageOps.exif_transpose(image)
        notes.append("turned upright as its EXIF orientation says")
        aspect = 1.0 / aspect if orientation >= 5 else aspect
    if aspect != 1.0:
        notes.append(f"pixels are {aspect:.4g} times as high as wide, by the file's resolution")
    rest: dict[str, Any] = {"notes": notes, "pixel_aspect": aspect, "dropped": dropped}
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        pixels = np.asarray(image).astype(np.int64)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise Refused(
                "bit-depth",
                f"grey levels run from {pixels.min()} to {pixels.max()}; 0 to 65535 can be kept",
            )
        clear = image.info.get("transparency")
        if isinstance(clear, int):
            notes.append("transparency laid over black")
            pixels = np.where(pixels == clear, 0, pixels)
        if inverted:
            pixels = (1 << bits) - 1 - pixels
        return Decoded(pixels.astype(np.uint16), bits, f"{name} {bits}-bit", **rest)
    if image.mode in ("F", "I;16N"):
        raise Refused("bit-depth", "floating-point pixels: save the scan as 16-bit integers")
    if image.mode in ("CMYK", "LAB", "HSV"):
        raise Refused("colour", f"{image.mode} colour: a radiograph is grey")
    if "A" in image.getbands() or "transparency" in image.info:
        layered = image.convert("RGBA")
        ground = Image.new("RGBA", layered.size, (0, 0, 0, 255))
        image = Image.alpha_composite(ground, layered).convert("RGB")
        notes.append("transparency laid over black")
    if image.mode in ("1", "L"):
        grey = np.asarray(image.convert("L"))
    else:
        grey = collapse(np.asarray(image.convert("RGB")), full=255)
        notes.append("grey stored as colour")
    return Decoded(255 - grey if inverted else grey, 8, f"{name} 8-bit", **rest)


def _aspect(image: Image.Image) -> float:
    """Height of a pixel over its width, by the resolutions along and down the picture."""
    along, down = image.info.get("dpi") or image.info.get("aspect") or (1, 1)
    try:
        aspect = float(along) / float(down)
    except (TypeError, ValueError, ZeroDivisionError):
        return 1.0
    return squared(aspect) if 0.1 <= aspect <= 10.0 else 1.0


def companions(image: Image.Image) -> list[str]:
    """What else the file carries, by name and without a value: all of it stays behind."""
    found = [
        f"{image.format} {name}"
        for key, name in (("icc_profile", "colour profile"), ("xmp", "XMP"), ("comment", "comment"),
                          ("photoshop", "Photoshop block"), ("gamma", "gamma"))
        if image.info.get(key)
    ]  # fmt: skip
    # Keys are free text too: only the PNG standard's own are repeated.
    found += [
        f"PNG text {key!r}" if key in _PNG_KEYS else "PNG text under another key"
        for key in getattr(image, "text", None) or ()
    ]
    found += [
        f"EXIF {ExifTags.TAGS.get(int(tag), f'tag {int(tag)}')}"
        for tag in image.getexif()
        if int(tag) not in _STRUCTURE
    ]
    return list(dict.fromkeys(found))


def black_is_zero(content: bytes) -> bytes | None:
    """A WhiteIsZero TIFF with its first directory saying BlackIsZero, or ``None`` for any other."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
    if order is None:
        return None
    (start,) = struct.unpack_from(order + "I", content, 4)
    if start + 2 > len(content):
        return None
    (entries,) = struct.unpack_from(order + "H", content, start)
    for place in range(start + 2, min(start + 2 + 12 * entries, len(content) - 11), 12):
        tag, kind, count = struct.unpack_from(order + "HHI", content, place)
        if tag == _PHOTOMETRIC and kind == _SHORT and count == 1:
            if struct.unpack_from(order + "H", content, place + 8)[0] != 0:
                return None
            value = struct.pack(order + "H", 1)
            return content[: place + 8] + value + content[place + 10 :]
    return None


def _tag(image: Image.Image, number: int) -> Any:
    tags = getattr(image, "tag_v2", None)
    return None if tags is None else tags.get(number)


def _refuse_deep_colour(path: Path) -> None:
    """Pillow would silently cut 16-bit PNG with colour or alpha to 8 bits."""
    with path.open("rb") as file:
        head = file.read(26)
    if len(head) < 26:
        raise Refused("damaged", "the PNG is cut off in its header")
    if head[24] == 16 and head[25] != 0:
        raise Refused(
            "bit-depth", "16-bit PNG with colour or transparency: save it as 16-bit greyscale"
        )
