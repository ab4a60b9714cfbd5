"""Small made-up tables, so that every ``--help`` has an example that runs as it stands."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import special


def example(kind: str) -> str:
    """The example table of a command, as CSV (or YAML for ``plan``)."""
    if kind == "plan":
        return PLAN
    if kind not in TABLES:
        raise ValueError(f"no example {kind!r}; there are {', '.join([*TABLES, 'plan'])}")
    stream = io.StringIO()
    TABLES[kind]().to_csv(stream, index=False, lineterminator="\n")
    return stream.getvalue()


PLAN = """\
chance: 0.5
margin: 0.15
alpha: 0.05
seed: 1
bootstrap: 2000
sections: [realism, detection, mrmc, agreement, mixed]
endpoints:
  - {name: fool rate against chance, measure: fool rate, family: 1}
  - {name: generated against acquired, measure: difference, family: 2}
  - {name: equivalence to chance, measure: equivalence, family: 2}
multiplicity: {method: holm, gate: serial}
"""


def _judgments() -> pd.DataFrame:
    """Five readers, forty scans, half of them generated; confidence 1 to 5."""
    rng = np.random.default_rng(20)
    reader, case = np.divmod(np.arange(5 * 40), 40)
    generated = case % 2 == 1
    logit = np.where(generated, 0.1, 0.9) + rng.normal(0, 0.5, 5)[reader]
    logit = logit + rng.normal(0, 0.6, 40)[case]
    real = rng.random(len(case)) < special.expit(logit)
    finding = np.array(["No Finding", "Effusion", "Cardiomegaly"])
    return pd.DataFrame(
        {
            "reader": [f"R{number + 1}" for number in reader],
            "case": [f"C{number + 1:02d}" for number in case],
            "origin": np.where(generated, "generated", "acquired"),
            "judgment": np.where(real, "real", "synthetic"),
            "confidence": rng.integers(1, 6, len(case)),
            "generator": np.where(generated, np.where(case % 4 == 1, "pggan-a", "pggan-b"), ""),
            "labels": finding[case % 3],
            "position": case + 1,
            "seconds": np.round(rng.lognormal(2.5, 0.4, len(case)), 1),
        }
    )


def _ratings() -> pd.DataFrame:
    """Four readers rate fifty cases in two modalities on a scale of 1 to 5."""
    rng = np.random.default_rng(8)
    rows = []
    truth = np.arange(50) % 2
    of_case = rng.normal(0, 0.5, 50)
    for reader in range(4):
        leaning = rng.normal(0, 0.3)
        for modality, gain in (("film", 0.9), ("screen", 1.5)):
            latent = gain * truth + of_case + leaning + rng.normal(0, 0.8, 50)
            rating = np.digitize(latent, [-0.6, 0.2, 0.9, 1.6]) + 1
            rows += [
                (f"R{reader + 1}", f"C{case + 1:02d}", modality, truth[case], rating[case])
                for case in range(50)
            ]
    return pd.DataFrame(rows, columns=["reader", "case", "modality", "truth", "rating"])


def _wide() -> pd.DataFrame:
    """Ratings of the first modality, one line a case and one column a reader."""
    film = _ratings().query("modality == 'film'")
    return film.pivot(index="case", columns="reader", values="rating").reset_index()


def _marks() -> pd.DataFrame:
    """Three readers mark lesions on twenty-four cases, half of which have one or two."""
    rng = np.random.default_rng(3)
    rows: list[tuple[object, ...]] = []
    for reader in range(3):
        for case in range(24):
            lesions = 0 if case % 2 else 1 + case % 3 // 2
            name = (f"R{reader + 1}", f"C{case + 1:02d}", "film")
            marked = False
            for lesion in range(1, lesions + 1):
                if rng.random() < 0.75:
                    rows.append((*name, lesions, lesion, int(rng.integers(2, 6))))
                    marked = True
            for _ in range(int(rng.poisson(0.4))):
                rows.append((*name, lesions, 0, int(rng.integers(1, 4))))
                marked = True
            if not marked:
                rows.append((*name, lesions, None, None))
    columns = ["reader", "case", "modality", "lesions", "lesion", "rating"]
    return pd.DataFrame(rows, columns=columns).astype({"lesion": "Int64", "rating": "Int64"})


TABLES: dict[str, Callable[[], pd.DataFrame]] = {
    "judgments": _judgments,
    "ratings": _ratings,
    "wide": _wide,
    "marks": _marks,
}
