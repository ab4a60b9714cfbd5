"""From a scan to the frame that readers see: one path for every case, whatever its origin.

The path, in order: paint over markers -> 16 bits -> crop or pad -> resample (always: a small inset
makes the step a real interpolation even where the matrix stays, and the same step makes pixels
square that are not) -> grey levels -> grain -> border -> polarity. Nothing in this module knows an
origin, nor Django: it runs in the bare processes of a :mod:`readerstudy.imaging.crew`. Every step
is integer arithmetic, or doubles that are exact or rounded alike everywhere, so another machine
makes the same frame bit for bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readerstudy.imaging import frames
from readerstudy.imaging.pixel_text import find_text, paint_over
from readerstudy.imaging.rendering import RenderingProtocol
from readerstudy.imaging.resampling import WEIGHT_BITS, resample

FULL = 65535
KNOTS = 1025
# Share of each side that is cut off. It takes thin frame lines with it, and the scale it makes is
# no whole number, so that no scan keeps its own pixel grid.
INSET = 1 / 128
_UNIT = 1 << (2 * WEIGHT_BITS)

Reference = NDArray[np.int64]


def render(
    pixels: NDArray[np.uint16],
    *,
    bits: int,
    window: tuple[float, float] | None,
    protocol: RenderingProtocol,
    aspect: float = 1.0,
    reference: Reference | None = None,
    seed: int = 0,
) -> NDArray[np.uint16]:
    """The blinded frame: protocol.matrix squared, 0 .. 2**protocol.bits - 1.

    Parameters
    ----------
    pixels
        rows x columns, 0 .. ``2**bits - 1``, higher is brighter.
    window
        (centre, width) in grey levels of ``pixels``; used by normalisation "none" only, since a
        window that one arm has and the other has not would tell them apart.
    aspect
        Height of a pixel over its width; the frame's own pixels are square.
    reference
        Grey levels of the pool (``pool_reference``); needed by "histogram-match".
    seed
        The study's, for grain.

    Raises ``ValueError`` when "histogram-match" has no reference or pixels exceed ``bits``.
    """
    if pixels.ndim != 2 or not pixels.size or int(pixels.max()) >= 1 << bits:
        raise ValueError(f"{bits}-bit scan expected 0..{(1 << bits) - 1}, rows x columns")
    if protocol.normalisation == "histogram-match" and reference is None:
        raise ValueError(
            "histogram matching needs the reference of a pool: make it with pool_reference()"
        )
    source = paint_over(pixels, find_text(pixels, bits=bits)) if protocol.mask_markers else pixels
    shown, inside = _to_matrix(source, bits, protocol, aspect)
    seen = _unmasked(shown, inside, protocol)
    frame = np.zeros((protocol.matrix, protocol.matrix), dtype=np.int64)
    top = (1 << protocol.bits) - 1
    if protocol.normalisation == "histogram-match":
        assert reference is not None
        levels = _matched(shown, seen, reference, top)
    else:
        low, high = _range(seen, bits, window, protocol)
        levels = np.floor((shown - low) * top / (high - low) + 0.5)
    frame[inside] = np.clip(levels, 0, top).astype(np.int64)
    if protocol.grain > 0:
        frame[inside] = _grained(frame[inside], pixels, protocol, seed)
    if protocol.polarity == "bones-black":
        frame[inside] = top - frame[inside]
    edge = int(protocol.matrix * protocol.border_fraction)
    if edge:
        frame[:edge], frame[-edge:], frame[:, :edge], frame[:, -edge:] = 0, 0, 0, 0
    return frame.astype(np.uint16)


def render_packed(
    pixels: NDArray[np.uint16],
    bits: int,
    window: tuple[float, float] | None,
    aspect: float,
    protocol: RenderingProtocol,
    reference: Reference | None,
    seed: int,
) -> tuple[bytes, str]:
    """Container (not yet padded) and digest of the pixels of the frame that :func:`render` makes.

    The digest is of the pixels: gzip's bytes may differ between zlib builds, pixels may not.
    """
    frame = render(
        pixels,
        bits=bits,
        window=window,
        aspect=aspect,
        protocol=protocol,
        reference=reference,
        seed=seed,
    )
    return frames.encode(frame, bits=protocol.bits), pixels_digest(frame, protocol.bits)


def pixels_digest(frame: NDArray[np.uint16], bits: int) -> str:
    """SHA-256 over a frame's size, bits and little-endian pixels."""
    rows, columns = frame.shape
    digest = hashlib.sha256(f"{rows}x{columns}x{bits}:".encode())
    digest.update(np.ascontiguousarray(frame, dtype="<u2").data)
    return digest.hexdigest()


def pool_reference(
    pool: Iterable[tuple[NDArray[np.uint16], int]], protocol: RenderingProtocol
) -> Reference:
    """Mean grey-level distribution of a pool of (pixels, bits), as 1025 quantiles from 0 to 65535.

    Raises ``ValueError`` for an empty pool.
    """
    return mean_quantiles(own_quantiles(pixels, bits, 1.0, protocol) for pixels, bits in pool)


def own_quantiles(
    pixels: NDArray[np.uint16], bits: int, aspect: float, protocol: RenderingProtocol
) -> Reference:
    """1025 quantiles of one scan, brought to its own percentile range (0 to 65535) first, so that
    one bright film does not pull the pool."""
    small = protocol.model_copy(update={"matrix": 256, "normalisation": "percentile"})
    shown, inside = _to_matrix(pixels, bits, small, aspect)
    seen = _unmasked(shown, inside, small)
    low, high = _range(seen, bits, None, small)
    return _quantiles(np.clip(np.floor((seen - low) * FULL / (high - low) + 0.5), 0, FULL))


def mean_quantiles(several: Iterable[Reference]) -> Reference:
    """Their mean, rounded to integers. Raises ``ValueError`` when there are none."""
    total, count = np.zeros(KNOTS, dtype=np.int64), 0
    for own in several:
        total += own
        count += 1
    if not count:
        raise ValueError("the reference pool is empty: name at least one acquired scan")
    return (total + count // 2) // count


def _to_matrix(
    pixels: NDArray[Any], bits: int, protocol: RenderingProtocol, aspect: float
) -> tuple[NDArray[np.float64], tuple[slice, slice]]:
    """The part of the frame that shows the scan, on 16 bits, and where in the frame it lies.

    Boxes are in pixels of the scan; sides are compared in widths of one, of which a pixel is
    ``aspect`` high.
    """
    source = pixels.astype(np.uint16) << (16 - bits)
    height, width = source.shape
    vertical = (height * INSET, height * (1 - 2 * INSET))
    horizontal = (width * INSET, width * (1 - 2 * INSET))
    matrix = protocol.matrix
    if protocol.fit == "crop":
        side = min(vertical[1] * aspect, horizontal[1])
        high = side / aspect
        vertical = (vertical[0] + (vertical[1] - high) / 2, high)
        horizontal = (horizontal[0] + (horizontal[1] - side) / 2, side)
    longest = max(vertical[1] * aspect, horizontal[1])
    rows = max(1, round(matrix * vertical[1] * aspect / longest))
    columns = max(1, round(matrix * horizontal[1] / longest))
    box: dict[str, Any] = {"vertical": vertical, "horizontal": horizontal}
    if protocol.detail is not None:
        first = resample(
            source,
            max(1, round(rows * protocol.detail / matrix)),
            max(1, round(columns * protocol.detail / matrix)),
            kernel="area" if protocol.kernel == "area" else protocol.kernel,
            **box,
        )
        source, box = _grey(first).astype(np.uint16), {}
    shown = np.clip(resample(source, rows, columns, kernel=protocol.kernel, **box) / _UNIT, 0, FULL)
    above, before = (matrix - rows) // 2, (matrix - columns) // 2
    return shown, (slice(above, above + rows), slice(before, before + columns))


def _unmasked(
    shown: NDArray[np.float64], inside: tuple[slice, slice], protocol: RenderingProtocol
) -> NDArray[np.float64]:
    """What the masked border leaves of the scan. Grey levels are made for this part: what nobody
    sees must not move what is seen."""
    edge = int(protocol.matrix * protocol.border_fraction)
    part = shown[
        tuple(
            slice(
                max(edge - one.start, 0), max(min(one.stop, protocol.matrix - edge) - one.start, 0)
            )
            for one in inside
        )
    ]
    return part if part.size else shown


def _grey(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(np.floor(scaled / _UNIT + 0.5), 0, FULL)


def _range(
    shown: NDArray[np.float64],
    bits: int,
    window: tuple[float, float] | None,
    protocol: RenderingProtocol,
) -> tuple[float, float]:
    """Grey levels (on 16 bits) that become black and white."""
    if protocol.normalisation == "none":
        unit = 1 << (16 - bits)
        if window is not None:
            # No width at all (Window Width 1 of LINEAR) is a step, as steep as 16 bits can be.
            half = max(window[1] / 2 * unit, 0.5)
            return window[0] * unit - half, window[0] * unit + half
        return 0.0, float(((1 << bits) - 1) * unit)
    counts = np.bincount(np.floor(shown + 0.5).astype(np.int64).ravel(), minlength=FULL + 1)
    # Padding, masks and clipping say nothing about the film: leave both ends out.
    middle = counts.copy()
    middle[[0, FULL]] = 0
    if middle.sum() * 2 >= counts.sum():
        counts = middle
    reached = np.cumsum(counts)
    low = int(np.searchsorted(reached, -(-int(reached[-1]) * 5 // 1000)))
    high = int(np.searchsorted(reached, int(reached[-1]) * 995 // 1000))
    return float(low), float(max(high, low + 1))


def _quantiles(values: NDArray[np.float64]) -> Reference:
    ordered = np.sort(values.astype(np.int64), axis=None)
    places = (np.arange(KNOTS) * (ordered.size - 1)) // (KNOTS - 1)
    return ordered[places]


def _matched(
    shown: NDArray[np.float64], seen: NDArray[np.float64], reference: Reference, top: int
) -> NDArray[np.float64]:
    """Grey levels carried from the scan's own quantiles, where it is seen, to the reference's;
    linear between."""
    own = _quantiles(np.floor(seen + 0.5))
    own, first = np.unique(own, return_index=True)
    # A flat stretch (padding) goes to the middle of what the reference has there.
    last = np.append(first[1:], KNOTS) - 1
    wanted = (reference[first] + reference[last]) / 2
    if own.size == 1:
        return np.full(shown.shape, wanted[0] * top / FULL)
    left = np.clip(np.searchsorted(own, shown, side="right") - 1, 0, own.size - 2)
    share = (shown - own[left]) / (own[left + 1] - own[left])
    level = wanted[left] + (wanted[left + 1] - wanted[left]) * np.clip(share, 0.0, 1.0)
    return np.floor(level * top / FULL + 0.5)


def _grained(
    part: NDArray[np.int64], pixels: NDArray[Any], protocol: RenderingProtocol, seed: int
) -> NDArray[np.int64]:
    """Noise of the protocol's size, drawn from the study's seed and the scan's own pixels."""
    top = (1 << protocol.bits) - 1
    amount = protocol.grain * top
    if protocol.grain_matched:
        own = noise_level(part)
        amount = float(np.sqrt(max(amount * amount - own * own, 0.0)))
    if amount <= 0:
        return part
    key = hashlib.sha256(f"{seed}:".encode() + np.ascontiguousarray(pixels, dtype="<u2").tobytes())
    raw = np.random.Philox(key=int.from_bytes(key.digest()[:16], "little")).random_raw(part.size)
    # The sum of eight bytes: mean 1020, variance 8 (256^2 - 1) / 12. Sums of integers, unlike
    # logarithms and square roots of libraries, are the same everywhere.
    drawn = raw.astype("<u8").view(np.uint8).reshape(-1, 8).sum(axis=1, dtype=np.int64) - 1020
    scaled = np.floor(drawn * (amount / 209.02153) + 0.5).astype(np.int64).reshape(part.shape)
    return np.clip(part + scaled, 0, top)


def noise_level(picture: NDArray[np.int64]) -> float:
    """Standard deviation of fine noise: Immerkaer's Laplacian difference with a median
    (Computer Vision and Image Understanding 64 (1996) 300-302), robust to edges."""
    p = picture
    if min(p.shape) < 3:
        return 0.0
    across = p[:, :-2] - 2 * p[:, 1:-1] + p[:, 2:]
    both = across[:-2] - 2 * across[1:-1] + across[2:]
    return float(np.median(np.abs(both))) / (6 * 0.6744897501960817)
