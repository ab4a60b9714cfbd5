"""Time, order and confidence: how readers work, beside what they find."""

from .confidence import (
    brier,
    calibration,
    confidence_by_reader,
    reliability_curve,
    resolution,
)
from .crossed import CrossedFit, fit_crossed
from .durations import SHAPES, duration_model, position_effect
from .order import trend_by_position

__all__ = [
    "SHAPES",
    "CrossedFit",
    "brier",
    "calibration",
    "confidence_by_reader",
    "duration_model",
    "fit_crossed",
    "position_effect",
    "reliability_curve",
    "resolution",
    "trend_by_position",
]
