"""Published multi-reader data sets, typed in from public files."""

from __future__ import annotations

import numpy as np
import pandas as pd

# Van Dyke et al., RSNA 1993 (CINE against spin-echo MRI for aortic dissection): 5 readers, 69
# normal then 45 abnormal cases; each token is the rating under treatment 1 and 2. Distributed with
# OR-DBM MRMC, MRMCaov ("VanDyke") and RJafroc ("dataset02", VD.lrc).
_VAN_DYKE = [
    """13 23 23 12 52 12 12 12 13 12 11 13 41 12 12 12 12 12 12 11 11 11 31 11 34 12 11 23 11 42
    12 11 14 13 12 33 11 22 13 21 12 12 22 33 33 11 31 11 13 33 33 11 11 13 14 11 12 24 22 11
    12 14 11 34 34 22 11 11 11
    55 53 55 55 45 55 55 55 44 55 55 55 45 34 44 23 43 55 55 55 55 55 55 55 13 55 45 43 55 45
    55 55 34 54 55 55 15 13 55 55 55 45 45 55 11""",
    """23 32 22 22 22 22 22 22 23 32 22 22 52 22 22 21 32 22 22 22 21 22 22 22 43 22 22 22 22 32
    22 21 22 22 21 22 22 22 22 22 23 21 22 22 23 22 22 22 22 22 22 22 22 22 23 22 22 43 32 22
    22 32 22 22 22 22 21 22 22
    55 33 55 55 55 55 55 45 22 55 55 55 43 44 24 22 24 55 54 55 55 55 54 55 22 45 32 33 55 45
    55 53 22 44 22 55 25 22 55 55 55 55 35 55 22""",
    """22 24 22 22 32 52 13 12 22 22 41 21 41 23 22 22 32 22 21 22 11 21 32 21 44 11 11 35 21 22
    11 11 22 21 22 42 12 21 12 42 12 21 11 13 22 21 21 21 22 23 33 21 11 13 22 12 11 22 23 12
    13 54 11 42 24 12 21 12 21
    55 42 55 55 55 55 55 55 55 55 55 55 53 45 24 31 54 55 55 55 55 55 55 55 22 55 23 23 55 55
    55 54 23 55 55 55 25 23 54 55 55 55 55 55 21""",
    """12 12 11 11 11 11 33 11 12 11 11 11 11 12 12 11 11 11 12 11 21 11 11 11 23 12 11 12 11 22
    11 11 11 11 12 12 11 11 12 11 11 11 11 11 12 11 12 11 32 31 12 12 11 11 11 11 11 12 11 12
    11 11 11 33 12 13 12 11 11
    55 54 55 55 55 55 55 55 54 55 55 55 54 55 55 15 55 55 55 55 55 55 55 55 54 55 45 54 44 45
    55 55 35 55 55 55 15 23 55 55 55 55 55 55 55""",
    """32 52 13 21 12 12 12 12 21 22 22 12 21 11 11 12 22 22 11 12 32 22 21 12 13 12 12 23 12 11
    22 11 12 22 32 12 21 21 12 11 12 31 31 33 22 11 12 12 23 13 12 11 12 12 12 12 11 32 42 12
    22 33 11 22 13 23 11 11 31
    55 22 55 24 55 55 55 55 15 54 45 55 43 54 23 23 33 55 55 55 55 55 55 45 12 45 41 33 23 22
    15 53 12 55 14 55 15 13 53 55 55 35 55 55 23""",
]

# Franken et al., Invest Radiol 1992 (conventional film against interactive CRT in neonatal
# radiography): 4 readers, 33 normal then 67 abnormal cases, as in RJafroc's Franken1.lrc.
_FRANKEN = [
    """33 53 42 43 45 45 41 22 55 54 23 45 55 44 24 44 55 43 55 44 24 43 34 44 45 44 24 34 44 44
    44 12 33
    11 44 11 11 22 11 52 15 11 11 55 11 24 12 45 22 52 13 11 31 13 11 11 11 21 11 13 24 34 11
    43 11 21 12 33 11 23 11 11 22 21 11 12 11 11 21 11 21 34 42 12 22 11 21 11 11 23 44 11 32
    12 14 11 11 53 23 12""",
    """23 45 35 45 45 55 33 22 44 55 55 45 45 45 45 35 45 43 23 55 33 43 42 33 35 55 33 55 53 55
    55 43 44
    22 24 22 22 22 22 23 32 32 22 35 22 24 22 55 32 35 22 23 22 22 22 22 22 22 32 22 43 34 22
    45 22 22 25 23 23 22 22 23 23 23 22 22 22 22 23 23 32 22 53 52 23 23 22 23 22 32 32 22 45
    22 23 22 22 44 23 32""",
    """33 55 44 44 44 54 12 22 44 53 34 44 55 33 34 42 44 23 54 44 54 44 44 42 44 44 45 54 44 34
    44 42 44
    12 12 11 12 12 11 13 43 51 11 44 12 33 12 43 22 33 11 12 14 11 11 11 11 11 21 22 34 32 11
    33 11 44 45 44 11 31 11 11 45 43 11 11 11 11 21 11 12 43 44 22 24 11 11 21 11 22 22 21 45
    11 34 11 11 43 32 12""",
    """25 43 52 55 53 55 13 45 55 55 25 53 55 55 55 55 11 44 55 55 44 35 55 32 55 54 22 55 55 55
    22 55 55
    21 32 11 11 11 11 11 51 22 31 55 11 22 11 55 41 25 11 11 54 12 11 11 11 11 11 11 53 44 11
    55 11 22 22 25 11 45 11 11 55 22 11 11 11 11 25 12 21 55 42 44 55 11 11 11 11 14 43 12 55
    21 15 11 11 55 23 23""",
]


def _table(readers: list[str], normals: int) -> pd.DataFrame:
    rows = [
        (reader, case, modality, int(case > normals), int(token[modality - 1]))
        for reader, text in enumerate(readers, start=1)
        for case, token in enumerate(text.split(), start=1)
        for modality in (1, 2)
    ]
    return pd.DataFrame(rows, columns=["reader", "case", "modality", "truth", "rating"])


def van_dyke() -> pd.DataFrame:
    """1,140 readings: 5 readers x 2 modalities x 114 cases."""
    return _table(_VAN_DYKE, 69)


def franken() -> pd.DataFrame:
    """800 readings: 4 readers x 2 modalities x 100 cases; small ratings mean abnormal there."""
    table = _table(_FRANKEN, 33)
    table["rating"] = 6 - table["rating"]
    return table


def shuffled(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """The same rows in another order."""
    return table.iloc[np.random.default_rng(seed).permutation(len(table))]
