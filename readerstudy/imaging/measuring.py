"""Nuisance cues of a scan as it is kept, and as a protocol renders it. No Django."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from readerstudy.imaging import audit_cues, blinding, frames
from readerstudy.imaging.rendering import RenderingProtocol


def as_kept(pixels: NDArray[np.uint16], bits: int) -> dict[str, float]:
    """Cues of canonical pixels, with how far they can be packed without loss."""
    packed = len(frames.encode(pixels, bits=bits, level=1))
    return {**audit_cues.picture_cues(pixels, bits), "packed_length": float(packed)}


def as_rendered(
    pixels: NDArray[np.uint16],
    bits: int,
    window: tuple[float, float] | None,
    aspect: float,
    protocol: RenderingProtocol,
    reference: blinding.Reference | None,
    seed: int,
) -> dict[str, float]:
    """Cues of the frame. Frames of a study are padded to one length, so that is none of them."""
    frame = blinding.render(
        pixels,
        bits=bits,
        window=window,
        aspect=aspect,
        protocol=protocol,
        reference=reference,
        seed=seed,
    )
    return audit_cues.picture_cues(frame, protocol.bits)
