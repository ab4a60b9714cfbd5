"""Judgment tables with known truth for the tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special


def judgment_table(
    readers: int = 6,
    cases: int = 40,
    *,
    generated_logit: float = 0.2,
    acquired_logit: float = 0.8,
    reader_sd: float = 0.5,
    case_sd: float = 0.6,
    seed: int = 0,
) -> pd.DataFrame:
    """A crossed study: half the cases generated, by two generators, one or two labels each."""
    rng = np.random.default_rng(seed)
    reader, case = np.divmod(np.arange(readers * cases), cases)
    generated = case % 2 == 1
    logit = np.where(generated, generated_logit, acquired_logit)
    logit = logit + reader_sd * rng.normal(size=readers)[reader]
    logit = logit + case_sd * rng.normal(size=cases)[case]
    real = rng.random(len(case)) < special.expit(logit)
    return pd.DataFrame(
        {
            "reader": [f"R{k}" for k in reader],
            "case": [f"C{k}" for k in case],
            "origin": np.where(generated, "generated", "acquired"),
            "judgment": np.where(real, "real", "synthetic"),
            "generator": np.where(generated, np.where(case % 4 == 1, "a", "b"), ""),
            "labels": np.where(case % 3 == 0, "Effusion|Edema", "Effusion"),
        }
    )
