"""The frame container: lossless 16-bit pixels that a browser decodes in a few lines.

Layout (little-endian)::

    0   4  magic "RSF1"
    4   2  columns            6   2  rows
    8   1  bits stored        9   1  reserved, 0
    10  2  reserved, 0        12  4  payload length in bytes
    16     payload: gzip of two byte planes (all low bytes, then all high bytes) of the
           zig-zag coded row differences, each rows x columns bytes
    ..     zeros up to the study's constant frame length

A row difference is a pixel minus its left neighbour, in the first column minus the pixel above,
modulo 2**16. Zig-zag maps 0, -1, 1, -2 ... to 0, 1, 2, 3 ..., so that small differences of either
sign have an empty high plane. Padding makes every frame of a study the same number of bytes.
"""

from __future__ import annotations

import gzip
import struct

import numpy as np
from numpy.typing import NDArray

MAGIC = b"RSF1"
HEADER = struct.Struct("<4sHHBBHI")
MEDIA_TYPE = "application/x-frame"


def encode(pixels: NDArray[np.uint16], *, bits: int, level: int = 6) -> bytes:
    """Pack ``pixels`` (rows x columns, 0 .. 2**bits - 1) into an unpadded container.

    Raises ``ValueError`` when the array is not two-dimensional uint16 or exceeds ``bits``.
    """
    if pixels.ndim != 2 or pixels.dtype != np.uint16:
        raise ValueError(
            f"a frame is rows x columns of uint16, got {pixels.shape} of {pixels.dtype}"
        )
    rows, columns = pixels.shape
    if pixels.size and int(pixels.max()) >= 1 << bits:
        raise ValueError(
            f"{bits}-bit frame expected 0..{(1 << bits) - 1}, found {int(pixels.max())}"
        )
    difference = np.diff(pixels, axis=1, prepend=np.uint16(0))
    difference[:, 0] = np.diff(pixels[:, 0], prepend=np.uint16(0))
    signed = difference.view(np.int16)
    zigzag = ((signed << 1) ^ (signed >> 15)).view(np.uint16)
    planes = (zigzag & 0xFF).astype(np.uint8).tobytes() + (zigzag >> 8).astype(np.uint8).tobytes()
    payload = gzip.compress(planes, compresslevel=level, mtime=0)
    return HEADER.pack(MAGIC, columns, rows, bits, 0, 0, len(payload)) + payload


def pad(container: bytes, length: int) -> bytes:
    """The container with zeros up to ``length`` bytes, the same for every frame of a study."""
    if len(container) > length:
        raise ValueError(f"frame of {len(container)} bytes does not fit into {length}")
    return container + bytes(length - len(container))


def decode(container: bytes) -> tuple[NDArray[np.uint16], int]:
    """Pixels and bits stored of a container, padded or not.

    Raises ``ValueError`` when the bytes are not a whole container.
    """
    if len(container) < HEADER.size or container[:4] != MAGIC:
        raise ValueError("not a frame container")
    _, columns, rows, bits, _, _, length = HEADER.unpack_from(container)
    payload = container[HEADER.size : HEADER.size + length]
    if len(payload) != length:
        raise ValueError(f"frame cut short: {len(payload)} of {length} payload bytes")
    planes = np.frombuffer(gzip.decompress(payload), dtype=np.uint8)
    if planes.size != 2 * rows * columns:
        raise ValueError(f"frame payload does not hold {rows} x {columns} pixels")
    low, high = planes[: rows * columns], planes[rows * columns :]
    zigzag = low.astype(np.uint16) | (high.astype(np.uint16) << 8)
    difference = (zigzag >> 1) ^ (np.uint16(0) - (zigzag & 1))
    difference = difference.reshape(rows, columns)
    difference[:, 0] = np.cumsum(difference[:, 0], dtype=np.uint16)
    return np.cumsum(difference, axis=1, dtype=np.uint16), bits
