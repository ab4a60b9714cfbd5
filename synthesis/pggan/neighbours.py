"""Nearest training films of a sample, and whether samples lie closer to them than they should.

No fidelity metric sees memorisation. A generator that learnt its films by heart gives samples whose
nearest training film is nearer than that of a real film of a patient who was never trained on. So
distances of samples to the training films are compared with distances of held-out films to them
(the data-copying test of Meehan, Chaudhuri and Dasgupta 2020, arXiv 2004.05675, with a rank test).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from synthesis.pggan.config import ConfigError
from synthesis.pggan.pictures import resize
from synthesis.pggan.pyramid import HELD_OUT, TRAIN, Pyramid

CHUNK = 2048  # films compared at once, which bounds memory


@dataclass(frozen=True)
class Neighbour:
    """One training film near a sample."""

    index: int  # in the pyramid's training array
    name: str
    patient: str
    distance: float  # Euclidean between features, 0 for the same picture, at most 2


@dataclass(frozen=True)
class CopyingTest:
    """Are samples nearer to the training films than films of held-out patients are?

    Attributes:
        probability: chance that a sample is nearer to its nearest training film than a held-out
            film is to its own; 0.5 when they are alike, towards 1 for copies.
        p_value: one-sided Mann-Whitney test of probability > 0.5. Held-out films of one patient
            are not independent, so one film a patient is used.
        closest: the smallest distances of samples, ascending, at most 10, as (sample, distance).
        copies: samples nearer than the ``threshold`` quantile of held-out films.
    """

    probability: float
    p_value: float
    samples: int
    held_out: int
    median_sample: float
    median_held_out: float
    threshold: float
    copies: list[int]
    closest: list[tuple[int, float]]

    def describe(self) -> str:
        """The result as one sentence with its numbers."""
        return (
            f"median distance to the nearest training film: {self.median_sample:.3f} for "
            f"{self.samples} samples, {self.median_held_out:.3f} for {self.held_out} held-out "
            f"patients; a sample is the nearer with probability {self.probability:.2f} "
            f"(one-sided p = {self.p_value:.2g}); {len(self.copies)} samples lie nearer than "
            f"{self.threshold:.3f}, as 1 % of held-out films do"
        )


def features(images: np.ndarray, size: int = 32) -> np.ndarray:
    """Pixels at ``size`` with brightness and contrast taken out, unit length. (N, size * size)

    Exposure differs between films of one patient on one day; anatomy does not.
    """
    small = images
    if images.shape[1] > size:
        small = np.stack([resize(image, size) for image in images])
    flat = small.reshape(len(small), -1).astype(np.float32)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


class NeighbourIndex:
    """The training films of a pyramid, ready to be searched exactly, in flat memory."""

    def __init__(self, pyramid: Pyramid, *, size: int = 32) -> None:
        self.pyramid = pyramid
        self.size = min(size, pyramid.resolution)
        self.films = pyramid.films(TRAIN)

    def _chunks(self) -> Iterator[tuple[int, np.ndarray]]:
        count = self.pyramid.count(TRAIN)
        for start in range(0, count, CHUNK):
            indices = range(start, min(start + CHUNK, count))
            yield start, features(self.pyramid.unit(self.size, indices), self.size)

    def search(self, images: np.ndarray, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """images (N, H, W) in [0, 1] -> distances and film indices, (N, k) each, nearest first."""
        if k < 1:
            raise ConfigError(f"k {k}: at least 1 expected")
        k = min(k, self.pyramid.count(TRAIN))
        wanted = features(images, self.size)
        best = np.full((len(images), 0), 0.0, dtype=np.float32)
        where = np.zeros((len(images), 0), dtype=np.int64)
        for start, films in self._chunks():
            # Unit vectors: |a - b|^2 = 2 - 2 <a, b>.
            squared = np.maximum(2.0 - 2.0 * (wanted @ films.T), 0.0)
            ids = np.broadcast_to(np.arange(start, start + len(films)), squared.shape)
            best = np.concatenate([best, np.sqrt(squared)], axis=1)
            where = np.concatenate([where, ids], axis=1)
            order = np.argsort(best, axis=1, kind="stable")[:, :k]
            best = np.take_along_axis(best, order, axis=1)
            where = np.take_along_axis(where, order, axis=1)
        return best, where

    def nearest(self, image: np.ndarray, k: int = 5) -> list[Neighbour]:
        """The ``k`` training films nearest to one image (H, W), nearest first."""
        distances, indices = self.search(image[None], k)
        return [
            Neighbour(int(i), self.films[int(i)]["name"], self.films[int(i)]["patient"], float(d))
            for d, i in zip(distances[0], indices[0], strict=True)
        ]

    def copying_test(self, samples: np.ndarray, *, quantile: float = 0.01) -> CopyingTest:
        """Compare samples (N, H, W) with held-out patients.

        Raises:
            ConfigError: when fewer than 8 samples or held-out patients are there to compare.
        """
        held = self._one_film_a_patient()
        if len(held) < 8 or len(samples) < 8:
            raise ConfigError(
                f"{len(samples)} samples and {len(held)} held-out patients: at least 8 of each are "
                "needed to compare distances; train with --held-out"
            )
        films = self.pyramid.unit(self.size, held, HELD_OUT)
        ours = self.search(samples)[0][:, 0]
        theirs = self.search(films)[0][:, 0]
        # U counts pairs in which the held-out film is the farther.
        test = stats.mannwhitneyu(theirs, ours, alternative="greater")
        threshold = float(np.quantile(theirs, quantile))
        order = np.argsort(ours)
        return CopyingTest(
            probability=float(test.statistic / (len(ours) * len(theirs))),
            p_value=float(test.pvalue),
            samples=len(ours),
            held_out=len(theirs),
            median_sample=float(np.median(ours)),
            median_held_out=float(np.median(theirs)),
            threshold=threshold,
            copies=[int(i) for i in order if ours[i] < threshold],
            closest=[(int(i), float(ours[i])) for i in order[:10]],
        )

    def _one_film_a_patient(self) -> Sequence[int]:
        seen: set[str] = set()
        chosen = []
        for index, film in enumerate(self.pyramid.films(HELD_OUT)):
            if film["patient"] not in seen:
                seen.add(film["patient"])
                chosen.append(index)
        return chosen
