"""Ratings from the model of Roe and Metz (Acad Radiol 4 (1997) 298-303), two equal modalities."""

import math

import numpy as np
import pandas as pd
from scipy import stats


def roe_metz(
    *,
    readers: int,
    positives: int,
    negatives: int,
    seed: int,
    auc: float = 0.75,
    modalities: int = 2,
    var_r: float = 0.0055,
    var_tr: float = 0.0055,
    var_c: float = 0.3,
    var_tc: float = 0.3,
    var_rc: float = 0.2,
) -> pd.DataFrame:
    """Structure HL of Roe and Metz' table 1 unless told; the case variances and error sum to 1.

    ``auc`` is the expected AUC over readers: the separation is d' sqrt(1 + 2 (var_r + var_tr)) with
    the AUC's d', since reader effects widen the difference of two ratings.
    """
    rng = np.random.default_rng(seed)
    error = 1.0 - var_c - var_tc - var_rc
    # A reader's separation has variance 2 (var_r + var_tr) beside the ratings' 2.
    separation = stats.norm.ppf(auc) * math.sqrt(2.0 + 2.0 * (var_r + var_tr))
    rows = []
    for truth, count, start in ((0, negatives, 0), (1, positives, negatives)):
        shape = (modalities, readers, count)
        x = (
            truth * separation
            + rng.normal(0, math.sqrt(var_r), (1, readers, 1))
            + rng.normal(0, math.sqrt(var_tr), (modalities, readers, 1))
            + rng.normal(0, math.sqrt(var_c), (1, 1, count))
            + rng.normal(0, math.sqrt(var_tc), (modalities, 1, count))
            + rng.normal(0, math.sqrt(var_rc), (1, readers, count))
            + rng.normal(0, math.sqrt(error), shape)
        )
        i, j, k = np.indices(shape)
        rows.append(
            pd.DataFrame(
                {"reader": j.ravel(), "case": k.ravel() + start, "modality": i.ravel(),
                 "truth": truth, "rating": x.ravel()}
            )
        )  # fmt: skip
    return pd.concat(rows, ignore_index=True)
