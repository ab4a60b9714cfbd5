"""How fast MRMC, agreement, localisation and planning run, against their limits.

    python -m benchmarks.bench_analysis_two [--repeats 3] [--quick]

Prints the best of the repeats, the limit, and how time grows with readers and cases. Where Rscript
is installed the same work is timed in R in the same run, for each of MRMCaov, iMRMC, pROC and lme4
that R has; for the others the ratio is to the times measured when the limits were set, on the same
20 readers x 2 modalities x 2,000 cases: MRMCaov 4 s at best, iMRMC 308 s.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from readerstudy.analysis.agreement import agreement, agreement_coefficients, ratings_matrix
from readerstudy.analysis.delong import delong_covariance
from readerstudy.analysis.localisation import froc_analysis, froc_data
from readerstudy.analysis.mrmc import COVARIANCES, obuchowski_rockette, u_statistics
from readerstudy.analysis.process import duration_model, position_effect

MEASURED = {"MRMCaov": 4.0, "iMRMC": 308.0}
R_WORK = {
    "MRMCaov": "summary(mrmc(empirical_auc(truth, rating), modality, reader, case, data = d, "
    "cov = DeLong))",
    "iMRMC": "doIMRMC(createIMRMCdf(d, list(readerID = 'reader', caseID = 'case', "
    "modalityID = 'modality', score = 'rating', truth = 'truth'), '1'))",
    "pROC": "{w <- lapply(1:10, function(k) roc(d$truth[d$cell == k], d$rating[d$cell == k], "
    "quiet = TRUE)); for (a in 1:9) for (b in (a + 1):10) cov(w[[a]], w[[b]], method = 'delong')}",
    "lme4": "lmer(log(exp(rating)) ~ modality + (1 | reader) + (1 | case), d)",
}


def readings(
    readers: int, cases: int, *, seed: int = 0, missing: float = 0.0, nested: bool = False
) -> pd.DataFrame:
    """Continuous ratings of two modalities; ``nested``: every reader has cases of his own."""
    rng = np.random.default_rng(seed)
    truth = np.arange(cases) % 2
    x = 1.2 * truth + rng.normal(size=cases) + 0.8 * rng.normal(size=(2, readers, cases))
    i, j, k = np.indices(x.shape)
    table = pd.DataFrame(
        {"reader": j.ravel(), "case": k.ravel(), "modality": i.ravel(),
         "truth": truth[k.ravel()], "rating": x.ravel()}
    )  # fmt: skip
    if nested:
        table["case"] += cases * table["reader"]
    return table[rng.random(len(table)) >= missing] if missing else table


class Timing(NamedTuple):
    """Seconds by the clock, and of the processor (all threads), of the fastest run."""

    wall: float
    processor: float


def best_of(repeats: int, deed: Callable[[], object]) -> Timing:
    """The fastest of so many runs."""
    times = []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        deed()
        times.append(Timing(time.perf_counter() - start, time.process_time() - used))
    return min(times)


def r_seconds(package: str, table: pd.DataFrame) -> float | None:
    """Seconds that R takes for its ``R_WORK``, ``None`` where R or the package is missing."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        table.to_csv(path, index=False)
        script = (
            f"if (!requireNamespace('{package}', quietly = TRUE)) quit(status = 3);"
            f"suppressMessages(library({package})); d <- read.csv('{path}');"
            f"cat(system.time({R_WORK[package]})[['elapsed']])"
        )
        done = subprocess.run(
            ["Rscript", "-e", script], capture_output=True, text=True, timeout=900, check=False
        )
    return float(done.stdout.split()[-1]) if done.returncode == 0 and done.stdout else None


def line(name: str, took: Timing, limit: float | None, other: float | None = None) -> bool:
    """Print one row; whether it is within its limit by the clock."""
    within = limit is None or took.wall <= limit
    verdict = "" if limit is None else f"  limit {limit:6.2f} s  {'ok' if within else 'SLOW'}"
    ratio = "" if other is None else f"  {other / took.wall:8.1f} x faster"
    print(f"{name:<52s} {took.wall:8.3f} s ({took.processor:.3f} s CPU){verdict}{ratio}")
    return within


def main() -> int:
    """Run everything; exit status 1 when a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="only what has a limit")
    options = parser.parse_args()
    n = options.repeats
    good = True

    full = readings(20, 2000)
    other: dict[str, float | None] = {}
    for package, seconds in MEASURED.items():
        measured = r_seconds(package, full)
        other[package] = seconds if measured is None else measured
        origin = "measured before (not in this R)" if measured is None else "measured now"
        print(f"{package}: {other[package]:.1f} s, {origin}")
    for method in COVARIANCES:
        seconds = best_of(n, lambda m=method: obuchowski_rockette(full, covariance=m))
        good &= line(f"OR 20 x 2 x 2000, {method}", seconds, 1.0, other["MRMCaov"])
    designs = {
        "factorial": full,
        "30 % missing": readings(20, 2000, missing=0.3),
        "cases nested in readers": readings(20, 2000, nested=True),
        "split-plot": full[full["case"] // 2 % 4 == full["reader"] % 4],
        "five rating levels": full.assign(rating=full["rating"].round().clip(-1, 3)),
    }
    for name, table in designs.items():
        seconds = best_of(n, lambda t=table: u_statistics(t))
        good &= line(
            f"U-statistics, {name}", seconds, 5.0, other["iMRMC"] if name == "factorial" else None
        )
    seconds = best_of(n, lambda: u_statistics(designs["cases nested in readers"], centred=True))
    good &= line("U-statistics, nested, centred kernels", seconds, 5.0)
    rng = np.random.default_rng(1)
    scores, truth = rng.normal(size=(40, 2000)), np.arange(2000) % 2 == 0
    seconds = best_of(n, lambda: delong_covariance(scores, truth))
    good &= line("DeLong 40 x 40, 2000 cases", seconds, 0.05)
    ten = pd.DataFrame({"cell": np.repeat(np.arange(1, 11), 2000), "rating": scores[:10].ravel(),
                        "truth": np.tile(truth.astype(int), 10)})  # fmt: skip
    line("DeLong 10 x 10, against pROC",
         best_of(n, lambda: delong_covariance(scores[:10], truth)), None,
         r_seconds("pROC", ten))  # fmt: skip
    ratings = rng.integers(0, 2, (2000, 20)).astype(float)
    deed = best_of(
        n, lambda: agreement_coefficients(ratings_matrix(ratings), bootstrap=1000)
    )  # fmt: skip
    good &= line("agreement 2000 x 20, two labels, bootstrap 1000", deed, 0.5)
    five = rng.integers(1, 6, (2000, 20)).astype(float)
    deed = best_of(
        n,
        lambda: agreement_coefficients(ratings_matrix(five), weights="quadratic", bootstrap=1000),
    )
    good &= line("agreement 2000 x 20, five levels, weighted", deed, 0.5)
    if options.quick:
        return 0 if good else 1

    print("\nHow it grows (seconds)")
    for readers in (5, 10, 20, 40):
        table = readings(readers, 500)
        line(f"OR jackknife, {readers} readers x 500 cases",
             best_of(n, lambda t=table: obuchowski_rockette(t)), None)  # fmt: skip
        for method in ("unbiased", "bootstrap"):
            deed = best_of(n, lambda t=table, m=method: obuchowski_rockette(t, covariance=m))
            line(f"OR {method}, {readers} readers x 500 cases", deed, None)
        line(f"U-statistics, {readers} readers x 500 cases",
             best_of(n, lambda t=table: u_statistics(t)), None)  # fmt: skip
    for cases in (250, 1000, 4000):
        table = readings(10, cases)
        line(f"OR jackknife, 10 readers x {cases} cases",
             best_of(n, lambda t=table: obuchowski_rockette(t)), None)  # fmt: skip
        for method in ("unbiased", "bootstrap"):
            deed = best_of(n, lambda t=table, m=method: obuchowski_rockette(t, covariance=m))
            line(f"OR {method}, 10 readers x {cases} cases", deed, None)
        line(f"U-statistics, 10 readers x {cases} cases",
             best_of(n, lambda t=table: u_statistics(t)), None)  # fmt: skip
    for cases in (500, 2000, 8000):
        table = pd.DataFrame(
            {"reader": np.tile(np.arange(10), cases), "case": np.repeat(np.arange(cases), 10),
             "judgment": rng.integers(0, 2, 10 * cases)}
        )  # fmt: skip
        line(f"agreement from a tidy table, 10 readers x {cases}",
             best_of(n, lambda t=table: agreement(t)), None)  # fmt: skip
    marks = readings(10, 400)
    marks = marks.assign(lesion=marks["truth"].map({1: 1.0, 0: np.nan}))
    lesions = pd.DataFrame({"case": np.arange(1, 400, 2), "lesion": 1.0})
    seconds = best_of(n, lambda: froc_analysis(froc_data(marks, lesions, range(400))))
    line("wAFROC analysis, 10 readers x 2 x 400 cases", seconds, None)
    times = pd.DataFrame(
        {"reader": np.repeat(np.arange(20), 200), "case": np.tile(np.arange(200), 20),
         "position": np.tile(np.arange(1, 201), 20), "duration": rng.lognormal(3, 0.4, 4000)}
    )  # fmt: skip
    seconds = best_of(n, lambda: position_effect(times))
    line("position effect on 4000 reading times", seconds, None)
    crossed = readings(20, 100)
    line("crossed linear model, 4000 rows, against lme4",
         best_of(n, lambda: duration_model(crossed.assign(duration=np.exp(crossed["rating"])),
                                           covariates=["modality"])),
         None, r_seconds("lme4", crossed))  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
