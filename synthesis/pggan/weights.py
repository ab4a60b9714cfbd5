"""Tensors into networks, each name and shape checked, and what fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from synthesis.pggan.config import NetworkConfig
from synthesis.pggan.networks import Generator


class CheckpointError(ValueError):
    """A file that cannot be loaded; the message says what was found and what was expected."""


@dataclass
class LoadReport:
    """What a loader found, tensor by tensor.

    ``missing``: needed by the network and not in the file. ``unexpected``: in the file and of no
    use to the network. ``mismatched``: there, but of another shape. ``ignored``: known and
    deliberately left (a discriminator's weights, counters).
    """

    format: str
    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Every tensor of the network was found in its shape, and none was left over."""
        return not (self.missing or self.unexpected or self.mismatched)

    def describe(self) -> str:
        """The report as lines for a person."""
        lines = [f"{self.format}: {len(self.matched)} tensors fit"]
        for title, names in (
            ("missing", self.missing),
            ("of another shape", self.mismatched),
            ("not used", self.unexpected),
        ):
            if names:
                shown = "; ".join(names[:12]) + (" ..." if len(names) > 12 else "")
                lines.append(f"{len(names)} {title}: {shown}")
        return "\n".join([*lines, *self.notes])


Network = TypeVar("Network", bound=nn.Module)


def build(
    kind: Callable[[NetworkConfig], Network],
    config: NetworkConfig,
    tensors: Mapping[str, Tensor],
    report: LoadReport,
) -> Network:
    """A network of ``tensors``, every name and shape of which is checked before memory is taken.

    Raises:
        CheckpointError: when a tensor is missing, of another shape or not finite.
    """
    try:
        with torch.device("meta"):  # shapes without numbers: a file may claim any size
            network = kind(config)
    except (RuntimeError, OverflowError) as error:
        raise CheckpointError(
            f"no network has {config.channels} channels and {config.latent_size} latents"
        ) from error
    wanted = dict(network.named_parameters())
    for name, parameter in wanted.items():
        if name not in tensors:
            report.missing.append(f"{name} {tuple(parameter.shape)}")
        elif tensors[name].shape != parameter.shape:
            report.mismatched.append(
                f"{name}: {tuple(parameter.shape)} expected, {tuple(tensors[name].shape)} found"
            )
        elif not torch.isfinite(tensors[name]).all():
            report.mismatched.append(f"{name}: holds values that are not finite")
        else:
            report.matched.append(name)
    report.unexpected.extend(sorted(set(tensors) - set(wanted)))
    if report.missing or report.mismatched:
        raise CheckpointError(f"the weights do not fit the network\n{report.describe()}")
    network = network.to_empty(device="cpu")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(tensors[name])
    return network


def ready(generator: Generator) -> Generator:
    """Evaluation mode, no gradients wanted for the weights."""
    return generator.eval().requires_grad_(False)
