"""A study's rendering protocol: how every case, whatever its origin, becomes a blinded frame."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class RenderingProtocol(BaseModel):
    """Settings of the one path that all cases of a study take."""

    model_config = ConfigDict(extra="forbid")

    matrix: int = Field(1024, ge=64, le=4096, description="Rows and columns of every frame.")
    fit: Literal["pad", "crop"] = Field("crop", description="What happens to other aspects.")
    detail: int | None = Field(
        None,
        ge=16,
        le=4096,
        description="Every scan is first brought to this many rows, so that no arm shows finer "
        "detail than the other; empty keeps each scan's own.",
    )
    normalisation: Literal["none", "percentile", "histogram-match"] = "percentile"
    bits: int = Field(12, ge=8, le=16)
    kernel: Literal["area", "bicubic", "lanczos"] = "lanczos"
    border_fraction: float = Field(
        0.0, ge=0.0, le=0.2, description="Share of each side that is masked."
    )
    mask_markers: bool = Field(
        False, description="Side markers and burned-in text are painted over, in both arms alike."
    )
    polarity: Literal["bones-white", "bones-black"] = "bones-white"
    grain: float = Field(
        0.0, ge=0.0, le=0.1, description="Standard deviation of added noise, share of full range."
    )
    grain_matched: bool = Field(
        False,
        description="Grain brings each case up to that noise level instead of being added to all "
        "alike, so that a smooth arm gets as much noise as the other has.",
    )
