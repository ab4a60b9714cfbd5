"""A Fréchet distance that needs no downloaded weights, to watch a run by.

Features are those of a fixed, randomly initialised convolutional network: Naeem et al. 2020
(arXiv 2002.09797, section 4) show that such embeddings separate distributions where ImageNet ones
are out of place. The number says whether a run gets nearer to its films; it is no FID, and compares
only with itself at the same size and n.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from scipy import linalg
from torch import Tensor

SEED = 20180226
FEATURES = 64


@lru_cache(maxsize=1)
def _weights() -> tuple[Tensor, ...]:
    source = torch.Generator().manual_seed(SEED)
    shapes = [(16, 1, 5, 5), (32, 16, 3, 3), (FEATURES, 32, 3, 3)]
    return tuple(
        torch.randn(shape, generator=source) * (2.0 / np.prod(shape[1:])) ** 0.5 for shape in shapes
    )


@torch.inference_mode()
def embed(images: np.ndarray, *, batch: int = 64) -> np.ndarray:
    """Features of images (N, H, W) in [0, 1], (N, 64): mean activations at three scales."""
    parts = []
    for start in range(0, len(images), batch):
        x = torch.from_numpy(np.ascontiguousarray(images[start : start + batch]))[:, None] * 2 - 1
        if x.shape[-1] > 64:
            x = F.interpolate(x, size=(64, 64), mode="area")
        x = x.float()
        for weight in _weights():
            x = F.leaky_relu(F.conv2d(x, weight, padding="same"), 0.2)
            x = F.avg_pool2d(x, 2) if x.shape[-1] > 4 else x
        # Where in the image a feature lies matters in a chest: four quadrants of a quarter each.
        x = F.adaptive_avg_pool2d(x[:, : FEATURES // 4], 2).flatten(1)
        parts.append(x.numpy())
    return np.concatenate(parts).astype(np.float64)


def gaussian_distance(
    mean_a: np.ndarray, covariance_a: np.ndarray, mean_b: np.ndarray, covariance_b: np.ndarray
) -> float:
    """``|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))`` (Dowson and Landau 1982)."""
    # Symmetric form: the trace of sqrt(A^1/2 B A^1/2) equals that of sqrt(A B) and stays real.
    values, vectors = linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    inner = linalg.eigvalsh(root @ covariance_b @ root)
    cross = 2.0 * np.sqrt(np.clip(inner, 0, None)).sum()
    difference = mean_a - mean_b
    return float(difference @ difference + np.trace(covariance_a) + np.trace(covariance_b) - cross)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance between two sets of images (N, H, W) in [0, 1], at least 2 each."""
    if min(len(a), len(b)) < 2:
        raise ValueError(f"{len(a)} and {len(b)} images: at least 2 of each are needed")
    left, right = embed(a), embed(b)
    return max(
        gaussian_distance(
            left.mean(axis=0),
            np.cov(left, rowvar=False),
            right.mean(axis=0),
            np.cov(right, rowvar=False),
        ),
        0.0,
    )
