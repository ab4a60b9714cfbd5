"""Grey that is wrapped in colour, told from colour itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from readerstudy.imaging.decoding.refusal import Refused

# JPEG rounds luma and chroma apart, so decoded grey may differ by a few levels between channels.
TOLERANCE = 6 / 255
MOST_COLOURED = 0.005


def collapse(rgb: NDArray[Any], *, full: int) -> NDArray[Any]:
    """One channel of ``rgb`` (rows x columns x 3, 0 .. ``full``) whose channels agree.

    Raises ``Refused`` when more than 0.5 % of the pixels are coloured: a colour photograph, or a
    radiograph with painted marks, which would tell the arms apart.
    """
    if np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 0], rgb[..., 2]):
        return np.ascontiguousarray(rgb[..., 0])
    low, high = rgb.min(axis=2), rgb.max(axis=2)
    coloured = float(np.mean((high - low) > TOLERANCE * full))
    if coloured > MOST_COLOURED:
        raise Refused(
            "colour",
            f"{100 * coloured:.1f} % of the pixels are coloured (at most "
            f"{100 * MOST_COLOURED:g} % may be): this is not a plain radiograph",
        )
    # The median channel is a value the file holds, whatever the encoder did to the other two.
    middle = rgb.astype(np.int32).sum(axis=2) - low - high
    return middle.astype(rgb.dtype)
