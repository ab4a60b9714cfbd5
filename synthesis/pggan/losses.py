"""WGAN-GP with drift (Gulrajani 2017; Karras 2018, appendix A.1)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Score = Callable[[Tensor], Tensor]


def interpolate(real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Points on the lines between real and generated images. mix: (N,) in [0, 1]."""
    return torch.lerp(real, fake, mix.view(-1, 1, 1, 1))


def gradient_penalty(
    score: Score, points: Tensor, *, target: float = 1.0, loss_scale: float = 1.0
) -> Tensor:
    """Mean of ``(|grad score| - target)^2 / target^2`` at ``points``, a scalar.

    Args:
        score: images (N, C, H, W) to scores (N,).
        loss_scale: multiplies the scores before, and divides the gradient after, differentiation,
            so that half-precision gradients do not underflow.
    """
    points = points.detach().requires_grad_(True)
    total = score(points).float().sum() * loss_scale
    (gradient,) = torch.autograd.grad(total, points, create_graph=True)
    norms = gradient.float().flatten(1).div(loss_scale).square().sum(dim=1).add(1e-12).sqrt()
    return (norms - target).square().mean() / target**2


def discriminator_terms(
    score: Score,
    real: Tensor,
    fake: Tensor,
    mix: Tensor,
    *,
    penalty: float = 10.0,
    drift: float = 1e-3,
    loss_scale: float = 1.0,
    penalised: Score | None = None,
) -> dict[str, Tensor]:
    """The discriminator's loss and its parts, scalars.

    Args:
        mix: (N,) in [0, 1], where between real and fake the gradient is taken.
        penalised: the discriminator as the penalty differentiates it twice, where that is another
            callable (a compiled one cannot be differentiated twice).

    ``loss = mean(D(fake)) - mean(D(real)) + penalty * GP + drift * mean(D(real)^2)``
    """
    real_scores = score(real).float()
    fake_scores = score(fake).float()
    gp = gradient_penalty(penalised or score, interpolate(real, fake, mix), loss_scale=loss_scale)
    wasserstein = fake_scores.mean() - real_scores.mean()
    loss = wasserstein + penalty * gp + drift * real_scores.square().mean()
    return {
        "loss": loss,
        "real": real_scores.mean(),
        "fake": fake_scores.mean(),
        "penalty": gp,
    }


def generator_loss(score: Score, fake: Tensor) -> Tensor:
    """``-mean(D(G(z)))``, a scalar."""
    return -score(fake).float().mean()
