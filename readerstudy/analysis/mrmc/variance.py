"""Mean squares and covariance components of an Obuchowski-Rockette layout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """Everything the tests are made of; ``nested`` where each reader has one modality only."""

    values: Floats
    modalities: int
    readers: int
    """Readers per modality (harmonic mean where nested readers differ in number)."""
    per_modality: NDArray[np.intp]
    nested: bool
    means: Floats
    ms_modality: float
    ms_reader: float
    ms_interaction: float
    """T x R mean square; where readers are nested, the mean square of readers within modality."""
    df_interaction: float
    ms_reader_each: Floats
    variance: float
    cov1: float
    cov2: float
    cov3: float
    variance_each: Floats
    cov2_each: Floats
    reader_variance: Floats
    reader_cov1: Floats
    cell_variance: Floats

    def as_dict(self) -> dict[str, float]:
        """Names as in MRMCaov and RJafroc; correlations are covariances over the variance."""
        truncated = max(self.cov2 - self.cov3, 0.0)
        if self.nested:
            reader = interaction = float("nan")
        elif self.modalities > 1:
            interaction = self.ms_interaction - self.variance + self.cov1 + (self.cov2 - self.cov3)
            reader = (
                (self.ms_reader - self.ms_interaction) / self.modalities - self.cov1 + self.cov3
            )
        else:
            interaction, reader = float("nan"), self.ms_reader - self.variance + self.cov2
        ratio = self.variance if self.variance > 0 else float("nan")
        return {
            "ms_modality": self.ms_modality,
            "ms_reader": self.ms_reader,
            "ms_modality_reader": self.ms_interaction,
            "var_reader": reader,
            "var_modality_reader": interaction,
            "error_variance": self.variance,
            "cov1": self.cov1,
            "cov2": self.cov2,
            "cov3": self.cov3,
            "cov2_minus_cov3_used": truncated,
            "rho1": self.cov1 / ratio,
            "rho2": self.cov2 / ratio,
            "rho3": self.cov3 / ratio,
        }


def components_of(values: Floats, covariance: Floats) -> Components:
    """Components of modality x reader ``values`` and their covariance over cases.

    Covariances are means over all pairs of cells of their kind, including the exact zeros of
    readers or modalities without common cases, which makes the error term unbiased for nested,
    split-plot and partially paired designs as well (MRMCaov does the same).
    """
    t, r = values.shape
    present = ~np.isnan(values)
    nested = not present.all()
    matrix = covariance.reshape(t, r, t, r)
    means = np.nanmean(values, axis=1)
    per_modality = present.sum(axis=1)
    readers = r if not nested else round(float(t / np.sum(1.0 / per_modality)))
    grand = float(means.mean())
    ms_modality = (
        (readers if not nested else t / float(np.sum(1.0 / per_modality)))
        * float(np.sum((means - grand) ** 2))
        / (t - 1)
        if t > 1
        else float("nan")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        within = np.nansum((values - means[:, None]) ** 2, axis=1)
        ms_reader_each = np.where(per_modality > 1, within / (per_modality - 1.0), np.nan)
    if nested:
        df = float(np.sum(per_modality - 1))
        ms_interaction = float(within.sum() / df) if df > 0 else float("nan")
        ms_reader = ms_interaction
    else:
        reader_means = values.mean(axis=0)
        df = float((t - 1) * (r - 1))
        ms_reader = t * float(np.sum((reader_means - grand) ** 2)) / (r - 1) if r > 1 else np.nan
        residual = values - means[:, None] - reader_means[None, :] + grand
        ms_interaction = float(np.sum(residual**2)) / df if df > 0 else float("nan")

    same_modality = np.eye(t, dtype=bool)[:, None, :, None] & np.ones((t, r, t, r), dtype=bool)
    same_reader = np.eye(r, dtype=bool)[None, :, None, :] & np.ones((t, r, t, r), dtype=bool)
    known = present[:, :, None, None] & present[None, None, :, :]

    def mean(mask: NDArray[np.bool_]) -> float:
        picked = matrix[mask & known]
        return float(picked.mean()) if picked.size else 0.0

    cell_variance = np.einsum("ijij->ij", matrix)
    other_readers = ~np.eye(r, dtype=bool)
    cov2_each = np.array(
        [
            _mean(matrix[i, :, i, :][other_readers & np.outer(present[i], present[i])])
            for i in range(t)
        ]
    )
    other_modalities = ~np.eye(t, dtype=bool)
    reader_cov1 = np.array(
        [
            _mean(matrix[:, j, :, j][other_modalities & np.outer(present[:, j], present[:, j])])
            for j in range(r)
        ]
    )
    return Components(
        values=values, modalities=t, readers=readers, per_modality=per_modality, nested=nested,
        means=means, ms_modality=ms_modality, ms_reader=float(ms_reader),
        ms_interaction=ms_interaction, df_interaction=df, ms_reader_each=ms_reader_each,
        variance=mean(same_modality & same_reader), cov1=mean(~same_modality & same_reader),
        cov2=mean(same_modality & ~same_reader), cov3=mean(~same_modality & ~same_reader),
        variance_each=np.nanmean(cell_variance, axis=1), cov2_each=cov2_each,
        reader_variance=np.nanmean(cell_variance, axis=0), reader_cov1=reader_cov1,
        cell_variance=cell_variance,
    )  # fmt: skip


def _mean(picked: Floats) -> float:
    return float(picked.mean()) if picked.size else 0.0
