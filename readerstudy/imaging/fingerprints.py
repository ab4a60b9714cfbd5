"""What tells two scans apart or together: exact hash, perceptual hash, preview. No Django."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from readerstudy.imaging.decoding.decoded import Window, smallest_type
from readerstudy.imaging.decoding.greyscale import apply_window

PREVIEW_SIDE = 512
THUMBNAIL_SIDE = 256


def pixel_hash(pixels: NDArray[Any], bits: int) -> str:
    """XXH3 (128 bits, hexadecimal) over matrix size, bits and canonical pixels: the same picture
    has the same hash whatever file format it came in.

    It tells pictures apart and is no seal: a cryptographic hash would cost more than reading an
    uncompressed file does. What must be tamper-evident, the frames of a locked study, is under
    SHA-256.
    """
    rows, columns = pixels.shape
    digest = xxhash.xxh3_128(f"{rows}x{columns}x{bits}:".encode())
    digest.update(smallest_type(pixels, bits).data)
    return digest.hexdigest()


def preview(pixels: NDArray[Any], bits: int, window: Window | None = None) -> NDArray[np.uint8]:
    """An 8-bit picture of at most about 1000 pixels a side, for thumbnails and detectors.

    Grey levels run from the 0.5th to the 99.5th percentile, or over ``window`` where given.
    """
    step = max(1, min(pixels.shape) // PREVIEW_SIDE)
    small = np.ascontiguousarray(pixels[::step, ::step])
    if window is None:
        histogram = np.bincount(small.ravel(), minlength=2)
        reached = np.cumsum(histogram) / small.size
        low = int(np.searchsorted(reached, 0.005))
        high = max(int(np.searchsorted(reached, 0.995)), low + 1)
        window = ((low + high) / 2, float(high - low))
    levels = np.arange(1 << bits)
    table = np.rint(255 * apply_window(levels, window, bits=bits)).astype(np.uint8)
    return table[small]


def perceptual_hash(picture: NDArray[np.uint8]) -> str:
    """64-bit DCT hash of a preview as 16 hex digits; near pictures differ in few bits.

    The sign of the 64 lowest frequencies of the 32 x 32 picture against their median (Zauner,
    "Implementation and benchmarking of perceptual image hash functions", 2010, section 3.2.2).
    """
    small = np.asarray(Image.fromarray(picture).resize((32, 32), Image.Resampling.BOX), dtype=float)
    low = dctn(small, norm="ortho")[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"


def thumbnail(picture: NDArray[np.uint8], aspect: float = 1.0) -> bytes:
    """The preview as a JPEG of at most 256 square pixels a side; ``aspect`` is the height of the
    preview's pixels over their width."""
    rows, columns = picture.shape
    high, wide = rows * aspect, float(columns)
    scale = min(THUMBNAIL_SIDE / max(high, wide), 1.0)
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    image = Image.fromarray(picture)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=82)
    return file.getvalue()
