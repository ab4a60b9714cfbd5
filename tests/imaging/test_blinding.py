"""One path for every case, the same on every machine."""

from __future__ import annotations

import hashlib
import inspect

import numpy as np
import pytest
from PIL import Image

from readerstudy.imaging import blinding, frames
from readerstudy.imaging.blinding import pixels_digest, pool_reference, render
from readerstudy.imaging.rendering import RenderingProtocol
from readerstudy.imaging.resampling import resample
from tests.imaging.dicom_files import chest


def protocol(**settings: object) -> RenderingProtocol:
    return RenderingProtocol.model_validate({"matrix": 128, **settings})


@pytest.mark.parametrize("kernel", ["area", "bicubic", "lanczos"])
@pytest.mark.parametrize(("rows", "columns"), [(64, 80), (333, 200), (160, 210)])
def test_resampling_agrees_with_pillow(kernel: str, rows: int, columns: int) -> None:
    # Pillow's BOX gives whole weights to pixels cut by the box's edge, ours give their share.
    pixels = chest(160, 210)
    filters = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS,
               "area": Image.Resampling.BOX}  # fmt: skip
    ours = resample(pixels, rows, columns, kernel=kernel) / 2**28
    image = Image.fromarray(pixels.astype(np.float32))
    theirs = np.asarray(image.resize((columns, rows), filters[kernel]))
    if kernel != "area":
        assert np.abs(ours - theirs).max() < 4095 * 2e-3
    assert ours.mean() == pytest.approx(pixels.mean(), rel=2e-3)
    flat = resample(np.full((90, 70), 1234, np.uint16), rows, columns, kernel=kernel) / 2**28
    assert np.all(flat == 1234)


def test_resampling_is_exact_in_any_order_of_addition() -> None:
    """Sums of integers below 2**53: adding the columns the other way round changes no bit."""
    pixels = chest(150, 190)
    forwards = resample(pixels, 77, 91)
    turned = resample(np.ascontiguousarray(pixels[::-1, ::-1]), 77, 91)[::-1, ::-1]
    assert np.abs(forwards - turned).max() / 2**28 < 4095 * 2e-3
    again = resample(pixels.astype(np.float32), 77, 91)
    assert np.array_equal(forwards, again)
    assert np.array_equal(forwards, np.rint(forwards))


# What the path must give wherever it runs. A change here changes every study's digests.
GOLDEN = {
    "percentile": "2894ca2b73b963fbebb74bc7eadc751446a81f20d5c98296e704737e645b6047",
    "none": "2ef5e7c6ccfddf5233967d764a278e73763c4a5b9e03536c5801ede5fa0c71f6",
    "histogram-match": "b1c41f641c12b2667de4b0cb45f619abf0d7ab23f66a82983e8785d7fbd822da",
}


@pytest.mark.parametrize("normalisation", list(GOLDEN))
def test_rendering_gives_the_known_bits(normalisation: str) -> None:
    y, x = np.indices((150, 190))
    pixels = ((x * x + 7 * y * x + 31 * y) % 4096).astype(np.uint16)
    rendering = protocol(normalisation=normalisation, grain=0.01, detail=96)
    reference = pool_reference([(pixels // 2 + 100, 12)], rendering)
    frame = render(pixels, bits=12, window=None, protocol=rendering, reference=reference, seed=5)
    assert pixels_digest(frame, 12) == GOLDEN[normalisation]


@pytest.mark.parametrize("normalisation", ["percentile", "none", "histogram-match"])
def test_rendering_repeats_bit_for_bit(normalisation: str) -> None:
    pixels = chest(200, 170)
    rendering = protocol(normalisation=normalisation, grain=0.01, detail=96, border_fraction=0.02)
    reference = pool_reference([(chest(150, 150, seed=s), 12) for s in range(3)], rendering)
    first = render(pixels, bits=12, window=None, protocol=rendering, reference=reference, seed=5)
    second = render(
        pixels.copy(), bits=12, window=None, protocol=rendering, reference=reference, seed=5
    )
    assert first.dtype == np.uint16
    assert first.shape == (128, 128)
    assert np.array_equal(first, second)
    assert pixels_digest(first, 12) == pixels_digest(second, 12)
    other = render(pixels, bits=12, window=None, protocol=rendering, reference=reference, seed=6)
    assert not np.array_equal(first, other)


def test_rendering_knows_no_origin() -> None:
    assert "origin" not in inspect.signature(render).parameters
    source = (
        inspect.getsource(blinding)
        .replace("whatever its origin", "")
        .replace("knows an origin", "")
    )
    assert ".origin" not in source
    assert "generated" not in source


def test_even_the_same_matrix_is_resampled() -> None:
    pixels = (np.indices((128, 128)).sum(axis=0) % 2 * 4095).astype(np.uint16)
    frame = render(
        pixels, bits=12, window=None, protocol=protocol(normalisation="none", kernel="bicubic")
    )
    assert len(np.unique(frame)) > 100


def test_bit_depth_of_the_source_does_not_show() -> None:
    """An 8-bit scan's comb of 256 levels is gone in a 12-bit frame."""
    frame = render(chest(128, 128, top=255), bits=8, window=None, protocol=protocol(matrix=256))
    assert len(np.unique(frame)) > 1500


def test_frames_fill_their_range_whatever_the_source() -> None:
    for top, bits in ((255, 8), (4095, 12), (65535, 16)):
        frame = render(chest(140, 140, top=top), bits=bits, window=None, protocol=protocol())
        assert (frame.min(), frame.max()) == (0, 4095)


def test_percentiles_ignore_padding() -> None:
    pixels = np.clip(chest(128, 128), 600, 3500)
    padded = pixels.copy()
    padded[:, :20] = 0
    plain = render(pixels, bits=12, window=None, protocol=protocol())
    framed = render(padded, bits=12, window=None, protocol=protocol())
    difference = np.abs(plain[:, 40:].astype(int) - framed[:, 40:])
    assert np.median(difference) < 250  # with the padding counted it is above 600


def test_none_uses_the_window_by_hand() -> None:
    pixels = np.tile(np.arange(128, dtype=np.uint16) * 32, (128, 1))
    frame = render(
        pixels, bits=12, window=(2048.0, 1024.0),
        protocol=protocol(normalisation="none", kernel="area", matrix=64),
    )  # fmt: skip
    assert frame[:, 0].max() == 0
    assert frame[:, -1].min() == 4095
    middle = frame[32, 31:33].mean()
    assert middle == pytest.approx(4095 * (2016 + 16 - 1536) / 1024, rel=0.05)


def test_histogram_matching_brings_arms_together() -> None:
    dark = [(chest(128, 128, seed=s) // 3, 12) for s in range(4)]
    bright = [(4095 - chest(128, 128, seed=s + 9) // 4, 12) for s in range(4)]
    rendering = protocol(normalisation="histogram-match")
    reference = pool_reference(dark, rendering)
    means = [
        render(p, bits=b, window=None, protocol=rendering, reference=reference).mean()
        for p, b in [*dark, *bright]
    ]
    assert np.ptp(means) < 60
    with pytest.raises(ValueError, match="pool_reference"):
        render(dark[0][0], bits=12, window=None, protocol=rendering)
    with pytest.raises(ValueError, match="empty"):
        pool_reference([], rendering)


@pytest.mark.parametrize("normalisation", ["percentile", "histogram-match"])
def test_what_the_border_hides_does_not_move_what_is_seen(normalisation: str) -> None:
    """Two scans that differ only under the masked border give the very same frame."""
    one = chest(256, 256)
    other = one.copy()
    other[:6], other[-6:], other[:, :6], other[:, -6:] = 4095, 0, 4095, 0
    rendering = protocol(normalisation=normalisation, border_fraction=0.1)
    reference = pool_reference([(chest(150, 150, seed=s), 12) for s in range(3)], rendering)
    frames_ = [
        render(pixels, bits=12, window=None, protocol=rendering, reference=reference)
        for pixels in (one, other)
    ]
    assert np.array_equal(*frames_)


def test_pad_shows_all_and_crop_fills_the_frame() -> None:
    wide = np.clip(chest(100, 200), 500, 4095)
    padded = render(wide, bits=12, window=None, protocol=protocol(fit="pad", normalisation="none"))
    cropped = render(wide, bits=12, window=None, protocol=protocol(normalisation="none"))
    assert padded[:30].max() == 0
    assert padded[-30:].max() == 0
    assert padded[33:95].min() > 0
    assert cropped.min() > 0


def test_border_polarity_and_grain() -> None:
    pixels = chest(128, 128)
    frame = render(pixels, bits=12, window=None, protocol=protocol(border_fraction=0.1))
    assert frame[:12].max() == 0
    assert frame[:, -12:].max() == 0
    plain = render(pixels, bits=12, window=None, protocol=protocol())
    turned = render(pixels, bits=12, window=None, protocol=protocol(polarity="bones-black"))
    assert np.array_equal(turned, 4095 - plain)
    flat = np.full((128, 128), 2000, np.uint16)
    flat[0, 0], flat[0, 1] = 0, 4095
    grained = render(
        flat, bits=12, window=None, protocol=protocol(normalisation="none", grain=0.02)
    )
    # The middle of a flat picture keeps its level and gets noise of 2 % of the range.
    middle = grained[20:-20, 20:-20].astype(float)
    assert middle.std() == pytest.approx(0.02 * 4095, rel=0.05)
    assert middle.mean() == pytest.approx(2000 * 4095 / 4095.0, rel=0.01)


def test_matched_grain_gives_a_smooth_scan_what_a_noisy_one_has() -> None:
    y, x = np.mgrid[0:256, 0:256] / 256
    smooth = (1000 + 2000 * x * y).astype(np.uint16)
    noisy = (smooth + np.random.default_rng(0).normal(0, 150, smooth.shape)).clip(0, 4095)
    rendering = protocol(matrix=256, grain=0.05, grain_matched=True, normalisation="none")
    levels = [
        blinding.noise_level(
            render(p.astype(np.uint16), bits=12, window=None, protocol=rendering).astype(np.int64)
        )
        for p in (smooth, noisy)
    ]
    assert levels[0] == pytest.approx(0.05 * 4095, rel=0.1)
    assert levels[1] == pytest.approx(levels[0], rel=0.1)


def test_containers_of_all_frames_can_have_one_length() -> None:
    containers = [
        frames.encode(
            render(chest(128, 128, seed=s), bits=12, window=None, protocol=protocol()), bits=12
        )
        for s in range(3)
    ]
    length = max(map(len, containers)) + 7
    padded = [frames.pad(one, length) for one in containers]
    assert {len(one) for one in padded} == {length}
    for one, plain in zip(padded, containers, strict=True):
        assert np.array_equal(frames.decode(one)[0], frames.decode(plain)[0])


def test_digest_covers_size_and_bits() -> None:
    flat = np.zeros((2, 8), np.uint16)
    assert pixels_digest(flat, 8) != pixels_digest(flat.reshape(4, 4), 8)
    assert pixels_digest(flat, 8) != pixels_digest(flat, 9)
    expected = hashlib.sha256(b"2x8x8:" + bytes(32)).hexdigest()
    assert pixels_digest(flat, 8) == expected


def test_pixels_beyond_their_bits_are_an_error() -> None:
    with pytest.raises(ValueError, match="12-bit"):
        render(np.full((64, 64), 5000, np.uint16), bits=12, window=None, protocol=protocol())
