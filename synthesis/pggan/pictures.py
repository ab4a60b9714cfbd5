"""Images to files: grids, single images, streams of them in flat memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from synthesis.pggan.config import ConfigError


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Images (N, H, W) side by side, row by row; the last row is filled with black. (R*H, C*W)"""
    count, height, width = images.shape
    rows = -(-count // columns)
    page = np.zeros((rows * columns, height, width), dtype=images.dtype)
    page[:count] = images
    return page.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, -1)


def quantise(image: np.ndarray, bits: int = 8) -> np.ndarray:
    """[0, 1] to whole grey values, uint8 or uint16, rounded to the nearest."""
    if bits not in (8, 16):
        raise ConfigError(f"bits {bits}: 8 or 16 expected")
    kind = np.uint8 if bits == 8 else np.uint16
    return np.rint(np.clip(image, 0.0, 1.0) * np.iinfo(kind).max).astype(kind)


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """A square image in [0, 1] to ``size``: box filter where it divides, else Lanczos."""
    side = image.shape[0]
    if size == side:
        return image
    if side % size == 0:
        step = side // size
        return image.reshape(size, step, size, step).mean(axis=(1, 3))
    picture = Image.fromarray(image.astype(np.float32))
    picture = picture.resize((size, size), Image.Resampling.LANCZOS)
    return np.clip(np.asarray(picture), 0.0, 1.0)


def write_png(
    path: Path, image: np.ndarray, bits: int = 8, about: Mapping[str, str] | None = None
) -> None:
    """A grey PNG, 8 or 16 bits, of an image in [0, 1]; ``about`` goes into text fields."""
    info = PngInfo()
    for key, value in (about or {}).items():
        info.add_text(key, value)
    values = quantise(image, bits)
    # 16-bit grey is Pillow's "I;16"; fromarray picks it from the type.
    Image.fromarray(values).save(path, format="PNG", pnginfo=info)


def write_stream(
    images: Iterable[tuple[int, np.ndarray]],
    folder: str | Path,
    *,
    bits: int = 8,
    size: int | None = None,
    kind: str = "png",
    about: Mapping[str, Any] | None = None,
    on_image: Callable[[int, Path], None] | None = None,
) -> list[Path]:
    """Write each image as it comes, so memory does not grow with their number.

    Args:
        images: (latent index, image in [0, 1]) as ``sampling.sample`` yields them.
        kind: ``png``, or ``npy`` for the unrounded float32.
        about: written to ``samples.json`` beside the images, with their indices.

    Returns:
        The files, in order.
    """
    if kind not in ("png", "npy"):
        raise ConfigError(f"kind {kind!r}: png or npy expected")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    indices: list[int] = []
    for index, image in images:
        path = folder / f"{index:08d}.{kind}"
        shown = image if size is None else resize(image, size)
        if kind == "png":
            write_png(path, shown, bits)
        else:
            np.save(path, shown.astype(np.float32), allow_pickle=False)
        paths.append(path)
        indices.append(index)
        if on_image:
            on_image(index, path)
    record = {**(about or {}), "indices": indices, "bits": bits, "size": size}
    (folder / "samples.json").write_text(json.dumps(record, indent=1))
    return paths
