"""Regions that readers draw, as versioned JSON in the pixels of the frame.

Version 1::

    {"version": 1, "shapes": [
        {"id": "k3x9", "type": "box", "points": [[x0, y0], [x1, y1]], "place": 1, "label": ""}]}

Coordinates are continuous, x to the right and y down, with (0, 0) the outer corner of the first
pixel, so that the centre of column c, row r is (c + 0.5, r + 0.5). Box and ellipse hold two
opposite corners of their bounding box, an arrow its tail and its head, a point one place, a polygon
three or more corners (closed, without the first one again). ``place`` is the scan in a
side-by-side presentation, from 1.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

VERSION = 1
# Corners that a shape needs, at least and at most. Freehand outlines are thinned by the page.
_CORNERS = {
    "box": (2, 2),
    "ellipse": (2, 2),
    "point": (1, 1),
    "arrow": (2, 2),
    "polygon": (3, 2000),
}

Coordinate = Annotated[float, Field(ge=-1, le=65_536, allow_inf_nan=False)]


class Shape(BaseModel):
    """One drawn shape, in frame pixels."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=40)
    type: Literal["box", "ellipse", "point", "polygon", "arrow"]
    points: list[tuple[Coordinate, Coordinate]]
    place: int = Field(1, ge=1, le=16)
    label: str = Field("", max_length=100)

    @model_validator(mode="after")
    def _has_its_corners(self) -> Shape:
        least, most = _CORNERS[self.type]
        if not least <= len(self.points) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise ValueError(f"a {self.type} has {wanted} points, got {len(self.points)}")
        return self

    def area(self) -> float:
        """Square pixels inside; 0 for points and arrows."""
        (x0, y0), (x1, y1) = self.points[0], self.points[-1]
        if self.type == "box":
            return abs(x1 - x0) * abs(y1 - y0)
        if self.type == "ellipse":
            return math.pi / 4 * abs(x1 - x0) * abs(y1 - y0)
        if self.type != "polygon":
            return 0.0
        corners = zip(self.points, self.points[1:] + self.points[:1], strict=True)
        return abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in corners)) / 2


class Region(BaseModel):
    """All shapes that mark one finding or one cue."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    shapes: list[Shape] = Field(min_length=1, max_length=200)
