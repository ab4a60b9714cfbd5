"""The sections of a study report, each from the judgment table alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from readerstudy.analysis import agreement, detection, process, roc
from readerstudy.analysis.design import design_matrix
from readerstudy.analysis.diversity import DiversityResult, label_diversity
from readerstudy.analysis.judgments import JudgmentMatrix
from readerstudy.analysis.mixed import MixedFit, crossed_logistic
from readerstudy.analysis.tidy import numeric


def primary_readings(table: pd.DataFrame) -> pd.DataFrame:
    """The table without repeats and without readings that have no judgment."""
    kept = table
    if "repeat_of" in table.columns:
        words = table["repeat_of"].astype("string").str.strip()
        kept = table[words.isna() | (words == "")]
    return kept[kept["judgment"].notna() & kept["judgment"].astype(str).str.strip().ne("")]


def judgment_rating(table: pd.DataFrame) -> pd.DataFrame:
    """The primary readings with ``rating`` (higher: more surely synthetic) and 0/1 ``truth``.

    Where there is a ``confidence`` the rating is +confidence for synthetic and -confidence for
    real, shifted so that the least sure of either lie side by side; without one it is 1 and 0.
    Readings whose confidence is missing are left out when others have one.
    """
    kept = primary_readings(table).copy()
    synthetic = kept["judgment"].astype(str).str.strip().str.lower().eq("synthetic")
    kept["truth"] = kept["origin"].astype(str).str.strip().str.lower().eq("generated").astype(int)
    if "confidence" in kept.columns and kept["confidence"].notna().any():
        sure = numeric(kept, "confidence")
        # The least sure "synthetic" still ranks above the least sure "real".
        above = sure - float(sure.min()) + 1.0
        kept["rating"] = np.where(synthetic, above, -above)
        return kept[sure.notna()]
    kept["rating"] = synthetic.astype(float)
    return kept


def detection_section(matrix: JudgmentMatrix, level: float, seed: int) -> dict[str, Any]:
    """Yes/no detection, the generated scan being the signal: averaged, then reader by reader."""
    synthetic = 1 - matrix.real
    out: dict[str, Any] = {
        "readers averaged": detection.readers_yes_no(
            synthetic, matrix.generated, level=level, seed=seed
        )
    }
    for reader, row in zip(matrix.readers, synthetic, strict=True):
        signal, noise = row[matrix.generated], row[~matrix.generated]
        signal, noise = signal[np.isfinite(signal)], noise[np.isfinite(noise)]
        if len(signal) and len(noise):
            out[f"reader {reader}"] = detection.yes_no(
                int(signal.sum()),
                int((1 - signal).sum()),
                int(noise.sum()),
                int((1 - noise).sum()),
                level=level,
                seed=seed,
            )
    return out


def roc_section(table: pd.DataFrame, level: float) -> dict[str, Any]:
    """Each reader's AUC for telling generated from acquired scans."""
    rated = judgment_rating(table)
    return {
        f"reader {reader}": roc.auc(group["rating"], group["truth"], level=level)
        for reader, group in rated.groupby("reader", sort=True)
        if group["truth"].nunique() == 2
    }


def agreement_section(table: pd.DataFrame, level: float, seed: int) -> dict[str, Any]:
    """Agreement on the judgments over all scans and within each origin."""
    kept = primary_readings(table)
    out: dict[str, Any] = {"all scans": agreement.agreement(kept, level=level, seed=seed)}
    for origin, group in kept.groupby("origin", sort=True):
        out[f"{origin} scans"] = agreement.agreement(group, level=level, seed=seed)
    return out


def intra_section(table: pd.DataFrame, level: float) -> dict[str, Any]:
    """Test-retest agreement from hidden repeats."""
    pooled, per_reader = agreement.intra_reader(table, level=level)
    named = {f"reader {reader}": found for reader, found in per_reader.items()}
    return {"readers averaged": pooled, **named}


def mixed_section(table: pd.DataFrame, fixed: Sequence[str], level: float) -> MixedFit:
    """Judged real ~ ``fixed`` with reader, case and, for origin, reader-by-origin random."""
    kept = primary_readings(table)
    design, names = design_matrix(kept, fixed)
    real = kept["judgment"].astype(str).str.strip().str.lower().eq("real").to_numpy(dtype=float)
    extra = {}
    if "origin" in fixed:
        pairs = kept["reader"].astype(str) + "\n" + kept["origin"].astype(str)
        extra["reader by origin"] = pairs.to_numpy()
    return crossed_logistic(
        real,
        kept["reader"].to_numpy(),
        kept["case"].to_numpy(),
        design,
        names=names,
        extra_factors=extra,
        level=level,
    )


def process_section(table: pd.DataFrame, level: float) -> dict[str, Any]:
    """Reading times, learning and fatigue by position, and what confidence is worth."""
    kept = primary_readings(table).copy()
    words = {
        name: kept[name].astype(str).str.strip().str.lower() for name in ("judgment", "origin")
    }
    kept["correct"] = words["judgment"].eq("synthetic") == words["origin"].eq("generated")
    has = {
        name: name in kept.columns and bool(kept[name].notna().any())
        for name in ("seconds", "position", "confidence")
    }
    if not any(has.values()):
        raise ValueError("no seconds, positions or confidences to analyse")
    out: dict[str, Any] = {}
    if has["seconds"]:
        out["reading time"] = process.duration_model(
            kept, duration="seconds", covariates=["origin"], level=level
        )
        if has["position"]:
            out["reading time by position"] = process.position_effect(
                kept, duration="seconds", level=level
            )
    if has["position"]:
        out["correct by position"] = process.trend_by_position(kept, level=level)
    if has["confidence"]:
        out["confidence"] = _confidence(kept, level)
    return out


def _confidence(kept: pd.DataFrame, level: float) -> dict[str, Any]:
    """Brier score and over-confidence where confidence is a probability or a percentage.

    On any other scale only the order of the answers means anything, so only the resolution
    (which is blind to the scale) is given.
    """
    stated = numeric(kept, "confidence")
    most, least = float(stated.max()), float(stated.min())
    as_probability = least >= 0 and (most <= 1 or 20 < most <= 100)
    scale = 100.0 if most > 1 else 1.0
    if as_probability:
        kept["confidence"] = stated / scale
    else:
        kept["confidence"] = (stated - least) / (most - least) if most > least else 0.5
    found = process.confidence_by_reader(kept, level=level)
    return found if as_probability else {"resolution": found["resolution"]}


def diversity_section(table: pd.DataFrame, level: float, seed: int) -> DiversityResult:
    """Label distributions of acquired and generated scans, one row a case."""
    if "labels" not in table.columns:
        raise ValueError("no labels to compare")
    cases = table.drop_duplicates("case")[["case", "origin", "labels"]].copy()
    cases["labels"] = [
        "|".join(value) if isinstance(value, (list, tuple, set)) else value
        for value in cases["labels"]
    ]
    if not cases["labels"].astype("string").str.strip().fillna("").ne("").any():
        raise ValueError("no labels to compare")
    return label_diversity(
        cases, scan="case", label="labels", level=level, seed=seed, replicates=1000
    )
