"""The sections of a study report, each from the judgment table alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from readerstudy.analysis import agreement, detection, roc
from readerstudy.analysis.design import design_matrix
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


def process_section(table: pd.DataFrame, level: float) -> Any:
    """Time, order and confidence."""
    raise ValueError("no times, positions or confidences to analyse")


def diversity_section(table: pd.DataFrame, level: float, seed: int) -> Any:
    """Label distributions of acquired and generated scans."""
    raise ValueError("no labels to compare")
