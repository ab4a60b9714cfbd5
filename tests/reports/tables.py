"""Judgment tables made by the simulated readers, for tests of the report."""

from __future__ import annotations

import pandas as pd

from readerstudy.demo.simulated_readers import Population, SimulatedReader
from readerstudy.reports.judgments import COLUMNS


def simulated_table(
    *,
    readers: int = 4,
    cases: int = 30,
    repeats: int = 4,
    seed: int = 1,
    population: Population | None = None,
) -> pd.DataFrame:
    """``cases`` of each origin read by everybody, the first ``repeats`` of them twice."""
    rows = []
    for number in range(1, readers + 1):
        reader = SimulatedReader(seed, number, ("Nodule",), ("Ribs",), population or Population())
        shown = [(f"C{k:03d}", k % 2 == 0, 1) for k in range(1, 2 * cases + 1)]
        shown += [(case, generated, 2) for case, generated, _ in shown[:repeats]]
        for position, (case, generated, showing) in enumerate(shown, start=1):
            labels = ("Nodule",) if int(case[1:]) % 3 == 0 else ("No Finding",)
            reading = reader.read(
                case,
                generated=generated,
                labels=labels,
                position=position,
                list_length=len(shown),
                showing=showing,
            )
            said = reading.revisions[-1]
            origin = "generated" if generated else "acquired"
            rows.append(
                {
                    "reader": f"R{number:02d}",
                    "case": case,
                    "origin": origin,
                    "generator": "pggan" if generated else "",
                    "labels": "|".join(labels),
                    "session": 1,
                    "position": position,
                    "presentation": f"{number}-{position}",
                    "repeat_of": f"{number}-{shown.index((case, generated, 1)) + 1}"
                    if showing == 2
                    else "",
                    "judgment": said.judgment,
                    "correct": int((said.judgment == "synthetic") == generated),
                    "confidence": float(said.confidence),
                    "seconds": reading.seconds,
                    "revisions": len(reading.revisions),
                }
            )
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))
