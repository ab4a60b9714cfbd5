"""What every reader of another implementation's files makes of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

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
    labels: list[dict[str, Any]] = field(default_factory=list)  # name and values of each group


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


NOT_EQUALISED = "trained without equalised learning rate; the weights were rescaled"


def undo_equalisation(tensors: dict[str, Tensor], *, gain: float = math.sqrt(2.0)) -> None:
    """Divide weights that are used as they are by the He constant that ours are multiplied by."""
    for name, weight in tensors.items():
        if name.endswith(".weight"):
            # In float32: a quotient in half precision would lose digits that the product had.
            tensors[name] = weight.float() / (gain / math.sqrt(math.prod(weight.shape[1:])))


Critic = tuple[dict[str, Tensor], list[str]]  # tensors under our names, and what was left over


def critic_or_none(
    read: Callable[[], Critic], notes: list[str], ignored: list[str]
) -> dict[str, Tensor] | None:
    """A discriminator's tensors where it is one of ours. Images need none: one of another shape
    (a classifier, pixel norms) is left out with a note, and does not keep its generator away."""
    try:
        tensors, left = read()
    except Exception as error:  # values of any type may stand where numbers are expected
        notes.append(f"the discriminator was left out ({error})")
    else:
        if not left:
            return tensors
        notes.append(f"the discriminator was left out (not used: {', '.join(left[:6])})")
    ignored.append("the discriminator")
    return None
