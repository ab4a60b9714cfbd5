"""PNG, JPEG and TIFF to canonical pixels."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from readerstudy.imaging.decoding.decoded import Decoded
from readerstudy.imaging.decoding.grey import collapse
from readerstudy.imaging.decoding.limits import Limits
from readerstudy.imaging.decoding.refusal import Refused

_PILLOW = {"png": "PNG", "jpeg": "JPEG", "tiff": "TIFF"}
_EXIF_ORIENTATION = 0x0112


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
            with Image.open(path, formats=[_PILLOW[kind]]) as image:
                limits.check_matrix(image.height, image.width)
                frames = getattr(image, "n_frames", 1)
                if frames > 1:
                    raise Refused(
                        "multi-frame", f"the file holds {frames} images; one radiograph is taken"
                    )
                return _canonical(image, kind)
    except Refused:
        raise
    except UnidentifiedImageError:
        raise Refused("damaged", f"the {_PILLOW[kind]} header cannot be read") from None
    except (OSError, SyntaxError, ValueError, struct.error, EOFError, KeyError) as error:
        raise Refused("damaged", f"the {_PILLOW[kind]} cannot be decoded: {error}") from None


def _canonical(image: Image.Image, kind: str) -> Decoded:
    name, notes = _PILLOW[kind], []
    inverted = kind == "tiff" and _tag(image, 262) == 0 and image.mode in ("I;16", "I;16B")
    image.load()
    if image.getexif().get(_EXIF_ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
        notes.append("turned upright as its EXIF orientation says")
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        pixels = np.asarray(image).astype(np.int64)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise Refused(
                "bit-depth",
                f"grey levels run from {pixels.min()} to {pixels.max()}; 0 to 65535 can be kept",
            )
        if inverted:
            pixels = 65535 - pixels
        return Decoded(pixels.astype(np.uint16), 16, f"{name} 16-bit", notes=notes)
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
        return Decoded(np.asarray(image.convert("L")), 8, f"{name} 8-bit", notes=notes)
    grey = collapse(np.asarray(image.convert("RGB")), full=255)
    return Decoded(grey, 8, f"{name} 8-bit", notes=[*notes, "grey stored as colour"])


def _tag(image: Image.Image, number: int) -> int | None:
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
