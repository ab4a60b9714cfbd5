"""Does a generator repeat its training scans? The nearest ones of each sample, and a test.

Distances are between standardised 32 x 32 pictures: the root mean square difference, which for
standardised pictures is sqrt(2 - 2 r) with r their correlation; 0 for the same picture, 1.41 for
unrelated ones. No distance proves that nothing was memorised: look at the pictures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from django.urls import reverse
from numpy.typing import NDArray
from PIL import Image
from scipy import stats

from readerstudy.imaging.models import Scan
from readerstudy.jobs.queue import Running
from synthesis import checkpoint_store, generation, intake, training
from synthesis.models import Generator, TrainingRun

SIDE = 32
NEAREST = 5
MOST_SCANS = 50_000
FEWEST_HELD_OUT = 8
HELD_OUT_WORDS = ("held_out", "held-out", "heldout", "val", "valid", "validation", "test", "dev",
                  "holdout")  # fmt: skip


def features(pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """(N, 1024): each picture at 32 x 32 with mean 0 and standard deviation 1."""
    rows = []
    for picture in pictures:
        small = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX)
        vector = np.asarray(small, dtype=np.float32).ravel()
        spread = vector.std()
        rows.append((vector - vector.mean()) / (spread if spread > 1e-6 else 1.0))
    return np.stack(rows) if rows else np.zeros((0, SIDE * SIDE), np.float32)


def distances(these: NDArray[np.float32], those: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, M) root mean square differences."""
    correlation = these @ those.T / these.shape[1]
    norms = (these**2).mean(axis=1)[:, None] + (those**2).mean(axis=1)[None]
    return np.sqrt(np.clip(norms - 2 * correlation, 0, None))


@dataclass(frozen=True)
class DistanceTest:
    """Are samples nearer to the training scans than held-out patients' scans are?"""

    samples: int
    held_out: int
    training: int
    median_samples: float
    median_held_out: float
    nearer: float  # P(a sample is nearer than a held-out scan), ties by half; 0.5 is expected
    p_value: float  # one-sided Mann-Whitney


def distance_test(
    samples: Sequence[float] | NDArray[Any], held_out: Sequence[float] | NDArray[Any], training: int
) -> DistanceTest:
    """Compare nearest-training distances of samples with those of held-out scans.

    One-sided Mann-Whitney U (Mann and Whitney 1947): a small p says that samples lie nearer to the
    training scans than new patients do, as copies would.
    """
    ours, theirs = np.asarray(samples, dtype=float), np.asarray(held_out, dtype=float)
    found = stats.mannwhitneyu(ours, theirs, alternative="less")
    return DistanceTest(
        samples=len(ours),
        held_out=len(theirs),
        training=training,
        median_samples=float(np.median(ours)),
        median_held_out=float(np.median(theirs)),
        nearer=float(1 - found.statistic / (len(ours) * len(theirs))),
        p_value=float(found.pvalue),
    )


def split_scans(generator: Generator, data: dict[str, Any]) -> tuple[list[Scan], list[Scan]]:
    """Training and held-out scans: from the training run's own record where it was trained here,
    otherwise the scans that the filters choose, by their split."""
    run = TrainingRun.objects.filter(generator=generator).first()
    recorded = training.published(run, "split.json") if run is not None else None
    if recorded is not None:
        films = json.loads(recorded)["films"]
        split = {_scan_id(film["name"]): film["split"] for film in films}
        scans = list(Scan.objects.filter(public_id__in=split).order_by("pk"))
        held = [scan for scan in scans if split[str(scan.public_id)] != "train"]
        return [scan for scan in scans if split[str(scan.public_id)] == "train"], held
    scans = list(training.scans_for(data)[: MOST_SCANS + 1])
    held = [scan for scan in scans if scan.split.lower() in HELD_OUT_WORDS]
    return [scan for scan in scans if scan.split.lower() not in HELD_OUT_WORDS], held


def _scan_id(film: str) -> str:
    return film.rsplit("/", 1)[-1].removesuffix(".png")


def search(job: Running, generator: Generator) -> dict[str, Any]:
    """The worker's part: nearest training scans of fresh samples, and the test."""
    from synthesis.pggan.sampling import Sampler, sample

    wish = job.parameters
    train, held = split_scans(generator, wish["data"])
    if not train:
        raise ValueError("No scan fits the filters: there is nothing to compare the samples with.")
    if len(train) + len(held) > MOST_SCANS:
        raise ValueError(f"More than {MOST_SCANS:,} scans fit the filters: choose fewer.")
    total = wish["count"] + len(train) + len(held)
    done = 0

    def reported(scans: list[Scan], words: str) -> Iterable[NDArray[np.uint8]]:
        nonlocal done
        for scan in scans:
            yield training.as_shown(scan)
            done += 1
            if done % 20 == 0:
                job.progress(done, total, words)

    known = features(reported(train, "Reading training scans"))
    theirs = features(reported(held, "Reading held-out scans"))
    pictures: list[NDArray[np.uint8]] = []
    sampler = Sampler(generation.load_network(generator, wish["device"]))
    for index, image in sample(
        sampler, wish["count"], seed=wish["seed"], truncation=wish["truncation"]
    ):
        pictures.append(np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8))
        checkpoint_store.put(sample_key(job.row, index), intake.png(pictures[-1]))
        done += 1
        job.progress(done, total, "Sampling")
    table = distances(features(pictures), known)
    nearest = np.argsort(table, axis=1)[:, :NEAREST]
    rows: list[dict[str, Any]] = [
        {
            "index": index,
            "neighbours": [
                {
                    "scan": str(train[other].public_id),
                    "distance": round(float(table[index, other]), 4),
                    "r": round(float(1 - table[index, other] ** 2 / 2), 4),
                }
                for other in nearest[index]
            ],
        }
        for index in range(len(pictures))
    ]
    rows.sort(key=lambda row: row["neighbours"][0]["distance"])
    test = None
    if len(held) >= FEWEST_HELD_OUT:
        test = asdict(
            distance_test(table.min(axis=1), distances(theirs, known).min(axis=1), len(train))
        )
    job.progress(total, total, message="The nearest scans are found.")
    page = reverse("synthesis:neighbours", args=[generator.public_id, job.row.public_id])
    return {
        "rows": rows,
        "test": test,
        "training": len(train),
        "held_out": len(held),
        "links": [{"text": "See the nearest scans", "url": page}],
    }


def sample_key(job: Any, index: int) -> str:
    return f"neighbours/{job.public_id}/sample-{index:03d}.png"
