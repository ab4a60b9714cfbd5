"""MP4 films without a programme of the user's: AV1, encoded by the library that Pillow carries.

An animated AVIF is an ISO base media file with one AV1 track, as an MP4 is. They differ in the
brands that the file names, the track's handler (``pict`` where a player wants ``vide``), an item
for viewers of still pictures, and durations that say "for ever" (ISO/IEC 14496-12; AV1 in ISOBMFF,
sections 2 and 4; AVIF, section 3). The boxes' sizes stay, so every offset stays right.

libavif and libaom are free software under BSD licences; AV1 is free of licence fees.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image, features

from synthesis.pggan.config import ConfigError

PARENTS = {b"moov", b"trak", b"mdia", b"edts"}
BRANDS = (b"isom", b"iso6", b"iso8", b"av01", b"mp41", b"mp42")


def available() -> bool:
    """Whether the installed Pillow can encode AV1."""
    return bool(features.check("avif"))


def encode(frames: Iterable[np.ndarray], *, fps: float, quality: int = 85) -> bytes:
    """Grey frames (H, W) uint8, all of one size, as an MP4 with one AV1 track.

    Raises:
        ConfigError: when there is no frame, or this Pillow cannot encode AV1.
    """
    if not available():
        raise ConfigError("this Pillow cannot encode AV1; ask for .gif instead")
    pictures = [Image.fromarray(frame) for frame in frames]
    if not pictures:
        raise ConfigError("a walk without a frame")
    file = io.BytesIO()
    pictures[0].save(
        file,
        format="AVIF",
        save_all=True,
        append_images=pictures[1:] or pictures,  # one picture would be a still
        duration=round(1000 / fps),
        quality=quality,
        subsampling="4:2:0",  # players are surer of it than of AV1's monochrome
        speed=8,
        max_threads=1,
    )
    return as_mp4(file.getvalue())


def as_mp4(avif: bytes) -> bytes:
    """An animated AVIF's bytes as an MP4's.

    Raises:
        ConfigError: when they hold no track.
    """
    data = bytearray(avif)
    boxes = dict(_boxes(data, 0, len(data)))
    if b"moov" not in boxes or b"mdhd" not in boxes:
        raise ConfigError("the encoder wrote no film")
    start, end = boxes[b"ftyp"]
    brands = [*BRANDS, *[b"isom"] * 64][: (end - start - 8) // 4]
    data[start:end] = b"isom" + struct.pack(">I", 512) + b"".join(brands)
    if b"meta" in boxes:  # the still picture's item; a player has no use for it
        start, _ = boxes[b"meta"]
        data[start - 4 : start] = b"free"
    start, _ = boxes[b"hdlr"]
    data[start + 8 : start + 12] = b"vide"
    duration = _number(data, boxes[b"mdhd"], 24, 16)
    # The movie's clock is the track's: the encoder writes one timescale.
    _set(data, boxes[b"mvhd"], duration, 24, 16)
    _set(data, boxes[b"tkhd"], duration, 28, 20)
    if b"elst" in boxes:
        start, _ = boxes[b"elst"]
        data[start + 1 : start + 4] = b"\0\0\0"  # no repetition
        _set(data, boxes[b"elst"], duration, 8, 8)
    return bytes(data)


def _boxes(data: bytearray, start: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """(type, (first byte of its content, past its last)) of every box, the first of a type last."""
    found = []
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", data, start + 8), 16
        if size < head:
            break
        found.append((kind, (start + head, start + size)))
        if kind in PARENTS:
            found.extend(_boxes(data, start + head, start + size))
        start += size
    return iter(found)


def _number(data: bytearray, box: tuple[int, int], long: int, short: int) -> int:
    """A duration at an offset that depends on the box's version."""
    start, _ = box
    if data[start]:
        return int(struct.unpack_from(">Q", data, start + long)[0])
    return int(struct.unpack_from(">I", data, start + short)[0])


def _set(data: bytearray, box: tuple[int, int], value: int, long: int, short: int) -> None:
    start, _ = box
    if data[start]:
        struct.pack_into(">Q", data, start + long, value)
    else:
        struct.pack_into(">I", data, start + short, value)
