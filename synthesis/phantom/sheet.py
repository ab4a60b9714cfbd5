"""A contact sheet of phantoms, one for each finding: ``python -m synthesis.phantom.sheet FILE``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from synthesis.phantom.findings import known_labels
from synthesis.phantom.parameters import draw
from synthesis.phantom.render import Phantom, render

_OUTLINE = (213, 94, 0)  # Okabe-Ito vermilion


def tile(phantom: Phantom, *, outlines: bool) -> NDArray[np.uint8]:
    """(size, size, 3) 8-bit picture, each mask outlined where ``outlines`` is set."""
    grey = (phantom.pixels >> 4).astype(np.uint8)
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    if outlines:
        for mask in phantom.masks.values():
            picture[mask ^ ndimage.binary_erosion(mask)] = _OUTLINE
    return picture


def sheet(
    labels: Sequence[str], *, seed: int = 0, size: int = 320, columns: int = 3, outlines: bool
) -> Image.Image:
    """One phantom a label, named in its corner; phantom ``i`` is drawn from ``seed + i``."""
    rows = -(-len(labels) // columns)
    page = Image.new("RGB", (columns * size, rows * size))
    pen = ImageDraw.Draw(page)
    for place, label in enumerate(labels):
        phantom = render(draw(seed + place, pathology=label), size)
        corner = (place % columns * size, place // columns * size)
        page.paste(Image.fromarray(tile(phantom, outlines=outlines)), corner)
        pen.text((corner[0] + 6, corner[1] + size - 16), label, fill=(255, 200, 90))
    return page if outlines else page.convert("L")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the sheet."""
    parser = argparse.ArgumentParser(prog="python -m synthesis.phantom.sheet", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--outlines", action="store_true", help="draw the masks' outlines")
    wish = parser.parse_args(arguments)
    page = sheet(known_labels(), seed=wish.seed, size=wish.size, outlines=wish.outlines)
    page.save(wish.file, optimize=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
