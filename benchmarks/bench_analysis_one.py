"""How fast the crossed logistic, the bootstrap, DeLong and the proportions run.

    python -m benchmarks.bench_analysis_one [--repeats 3] [--quick]

Prints seconds, the limit, and how each grows with readers and cases; where Rscript with lme4 and
pROC is installed, the same table is analysed in R in the same run and the ratio printed. Exits
non-zero when a limit is missed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from readerstudy.analysis import detection, proportions, roc
from readerstudy.analysis.bootstrap import bootstrap_rates
from readerstudy.analysis.crossed_mean import u_statistic_rate
from readerstudy.analysis.mixed import crossed_logistic
from readerstudy.analysis.realism import realism_rates

GLMER = (
    "suppressMessages(library(lme4)); d <- read.csv('{path}'); "
    "cat(system.time(glmer(y ~ x + (1 | reader) + (1 | case), d, family = binomial))[['elapsed']])"
)
PROC = (
    "suppressMessages(library(pROC)); d <- as.matrix(read.csv('{path}')); t <- d[, 1]; "
    "cat(system.time({{r <- lapply(2:ncol(d), function(k) roc(t, d[, k], quiet = TRUE, "
    "direction = '<')); for (a in 1:9) for (b in (a + 1):10) cov(r[[a]], r[[b]])}})[['elapsed']])"
)


def judgments(readers: int, cases: int, seed: int = 0) -> pd.DataFrame:
    """A crossed study: half of the cases (x = 1) generated."""
    rng = np.random.default_rng(seed)
    reader, case = np.divmod(np.arange(readers * cases), cases)
    x = case % 2
    logit = 0.2 + 0.4 * x + 0.5 * rng.normal(size=readers)[reader]
    logit = logit + 0.6 * rng.normal(size=cases)[case]
    y = (rng.random(len(case)) < special.expit(logit)).astype(int)
    return pd.DataFrame({"reader": reader, "case": case, "x": x, "y": y})


class Seconds(float):
    """Seconds on the clock, and ``processor`` seconds, to which a busy machine adds nothing."""

    processor: float


def best_of(repeats: int, deed: Callable[[], object]) -> Seconds:
    """The fastest run."""
    best = Seconds(float("inf"))
    best.processor = float("inf")
    for _ in range(repeats):
        started, busy = time.perf_counter(), time.process_time()
        deed()
        took = Seconds(time.perf_counter() - started)
        took.processor = min(time.process_time() - busy, best.processor)
        best.processor = took.processor
        best = min(best, took)
    return best


def in_r(script: str, table: pd.DataFrame) -> float | None:
    """Seconds that R says the same work took; None where R or the package is missing."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        table.to_csv(path, index=False)
        done = subprocess.run(
            ["Rscript", "-e", script.format(path=path)], capture_output=True, text=True, timeout=900
        )
    try:
        return float(done.stdout.split()[-1])
    except (IndexError, ValueError):
        return None


class Tally:
    """Prints a line a measurement and remembers the limits that were missed."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def line(
        self, what: str, seconds: Seconds, limit: float | None = None, peer: float | None = None
    ) -> None:
        text = f"{what:<58} {seconds:8.3f} s ({seconds.processor:.3f} s processor)"
        if limit is not None:
            text += f"   limit {limit:g} s"
            if seconds > limit:
                self.missed.append(what)
                text += " MISSED"
        if peer is not None:
            text += f"   R {peer:.2f} s, ratio {peer / seconds:.0f}"
        print(text, flush=True)


def crossed(tally: Tally, repeats: int, quick: bool) -> None:
    print("\ncrossed logistic (two coefficients, two components, Hessian, likelihood ratios)")
    for readers, cases, limit in ((20, 100, 1.0), (20, 2000, 5.0)):
        table = judgments(readers, cases)
        design = np.column_stack([np.ones(len(table)), table["x"]])

        def fit(table: pd.DataFrame = table, design: np.ndarray = design) -> object:
            return crossed_logistic(table["y"], table["reader"], table["case"], design)

        peer = None if quick else in_r(GLMER, table)
        tally.line(f"  {readers} x {cases} = {len(table)} rows", best_of(repeats, fit), limit, peer)
    table = judgments(20, 100)
    tally.line(
        "  2000 rows with profile intervals of all four",
        best_of(1, lambda: crossed_logistic(table["y"], table["reader"], table["case"],
                                            np.column_stack([np.ones(2000), table["x"]]),
                                            interval="profile")),
    )  # fmt: skip
    for readers, cases in ((5, 500), (10, 500), (40, 500), (80, 500), (10, 4000), (10, 16000)):
        grown = judgments(readers, cases)
        tally.line(
            f"  growth: {readers} readers x {cases} cases",
            best_of(1, lambda g=grown: crossed_logistic(g["y"], g["reader"], g["case"])),
        )  # fmt: skip


def resampling(tally: Tally, repeats: int) -> None:
    print("\ntwo-way bootstrap, 10,000 replicates of every realism rate")
    for readers, cases, limit in ((20, 2000, 5.0), (10, 300, None), (40, 2000, None),
                                  (20, 8000, None)):  # fmt: skip
        table = judgments(readers, cases)
        matrix = table["y"].to_numpy(float).reshape(readers, cases)
        generated = np.arange(cases) % 2 == 1
        groups = {"acquired": ~generated, "generated": generated}
        # Two generators and ten findings in either origin, as a real study would have.
        for k in range(2):
            groups[f"generator {k}"] = generated & (np.arange(cases) // 2 % 2 == k)
        for k in range(10):
            has = np.arange(cases) // 2 % 10 == k
            groups |= {f"{k} acquired": has & ~generated, f"{k} generated": has & generated}
        deed = best_of(
            repeats, lambda m=matrix, g=groups, s=generated: bootstrap_rates(m, g, strata=s)
        )
        tally.line(f"  {readers} x {cases}, {len(groups)} rates", deed, limit)


def whole_realism(tally: Tally) -> None:
    print("\nrealism_rates, everything (four ways, readers, generators, differences)")
    for readers, cases in ((10, 300), (20, 2000)):
        table = judgments(readers, cases)
        study = pd.DataFrame(
            {
                "reader": table["reader"],
                "case": table["case"],
                "origin": np.where(table["x"] == 1, "generated", "acquired"),
                "judgment": np.where(table["y"] == 1, "real", "synthetic"),
                "generator": np.where(table["x"] == 1, "pggan", ""),
            }
        )
        tally.line(f"  {readers} x {cases}", best_of(1, lambda s=study: realism_rates(s)))


def curves(tally: Tally, repeats: int, quick: bool) -> None:
    print("\nROC and the rest")
    rng = np.random.default_rng(0)
    truth = np.arange(2000) % 2
    ratings = rng.normal(size=(40, 2000)) + truth
    frame = pd.DataFrame(np.column_stack([truth, ratings.T]))
    peer = None if quick else in_r(PROC, frame)
    seconds = best_of(repeats, lambda: roc.covariance(ratings, truth))
    tally.line("  DeLong, 40 x 40 covariance, 2000 cases", seconds, 0.05)
    ten = best_of(repeats, lambda: roc.covariance(ratings[:10], truth))
    tally.line("  DeLong, 10 x 10 covariance, 2000 cases", ten, None, peer)
    grade = np.digitize(ratings[0], [-0.5, 0.3, 1, 1.8])
    tally.line("  binormal fit, 5 categories",
               best_of(repeats, lambda: roc.binormal_fit(grade, truth)))  # fmt: skip
    tally.line("  binormal fit, continuous",
               best_of(repeats, lambda: roc.binormal_fit(ratings[0], truth)))  # fmt: skip
    tally.line("  proper fit, 5 categories",
               best_of(1, lambda: roc.proper_fit(grade, truth)))  # fmt: skip
    tally.line("  U-statistic rate, 20 x 2000",
               best_of(repeats, lambda: u_statistic_rate(ratings[:20])))  # fmt: skip
    said = (ratings > 0.5).astype(float)
    tally.line("  detection over 40 readers, 2000 resamples",
               best_of(1, lambda: detection.readers_yes_no(said, truth)))  # fmt: skip
    tally.line(
        "  exact two-sample equivalence power, 100 + 100",
        best_of(1, lambda: proportions.power_equivalence_two_proportions(
            100, 100, 0.5, 0.5, margin=0.2, method="exact")),
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="leave R out")
    options = parser.parse_args()
    tally = Tally()
    crossed(tally, options.repeats, options.quick)
    resampling(tally, options.repeats)
    whole_realism(tally)
    curves(tally, options.repeats, options.quick)
    if tally.missed:
        print(f"\nlimits missed: {', '.join(line.strip() for line in tally.missed)}")
    return len(tally.missed)


if __name__ == "__main__":
    sys.exit(main())
