"""Localisation: overlap of regions, which mark found which lesion, and free-response analysis."""

from .froc import (
    FIGURES,
    figure_of_merit,
    froc_analysis,
    froc_curve,
    sensitivity_at,
)
from .marks import CellMarks, FrocData, froc_data
from .regions import (
    RULES,
    Matching,
    box_area,
    centre_hits,
    centroid,
    centroid_hit,
    dice,
    intersection,
    iou,
    mask_dice,
    mask_iou,
    match_marks,
)

__all__ = [
    "FIGURES",
    "RULES",
    "CellMarks",
    "FrocData",
    "Matching",
    "box_area",
    "centre_hits",
    "centroid",
    "centroid_hit",
    "dice",
    "figure_of_merit",
    "froc_analysis",
    "froc_curve",
    "froc_data",
    "intersection",
    "iou",
    "mask_dice",
    "mask_iou",
    "match_marks",
    "sensitivity_at",
]
