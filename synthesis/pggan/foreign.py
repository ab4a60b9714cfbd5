"""What every reader of another implementation's files makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from synthesis.pggan.config import NetworkConfig
from synthesis.pggan.weights import CheckpointError


@dataclass
class Foreign:
    """A file read and renamed, before it goes into networks."""

    format: str
    config: NetworkConfig
    generator: dict[str, Tensor]
    discriminator: dict[str, Tensor] | None = None
    fade: float = 1.0
    images_seen: int = 0
    unexpected: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Keys:
    """The tensors of a file, handed out by name; what nobody asked for is left over."""

    def __init__(self, tensors: Mapping[str, Tensor], format: str) -> None:
        self.left = dict(tensors)
        self.format = format

    def __contains__(self, name: str) -> bool:
        return name in self.left

    def take(self, *names: str) -> Tensor:
        """The first of ``names`` that is there.

        Raises:
            CheckpointError: when none is.
        """
        for name in names:
            if name in self.left:
                return self.left.pop(name)
        have = ", ".join(sorted(self.left)[:8])
        raise CheckpointError(f"{self.format}: {' or '.join(names)} is missing; left: {have}")

    def layer(self, into: dict[str, Tensor], ours: str, *theirs: str) -> None:
        """Take a layer's weight and bias."""
        for part in ("weight", "bias"):
            into[f"{ours}.{part}"] = self.take(*(f"{name}.{part}" for name in theirs))
