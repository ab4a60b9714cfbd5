"""Random draws that come out the same on every machine, for ever.

A study stores one seed. Every draw takes its own stream, named by what it is for, so that adding
one draw never shifts another. The stream is PCG64, whose raw 64-bit output numpy promises to keep
(NEP 19); numpy does *not* promise that for shuffles and distributions, so these are made here, by
rejection from the raw words. Nothing depends on hash order, database order or the platform.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_WORD = 1 << 64


def derive(seed: int, *name: str | int) -> int:
    """A 128-bit seed for the stream called ``name``: SHA-256 over the study's seed and the name.

    The parts are length-prefixed, so ``("a", "bc")`` and ``("ab", "c")`` are different streams.
    """
    digest = hashlib.sha256(b"readerstudy.draw.1")
    for part in (seed, *name):
        text = str(part).encode()
        digest.update(f"{len(text)}:".encode() + text)
    return int.from_bytes(digest.digest()[:16], "big")


class Draw:
    """One stream of random choices.

    >>> Draw(1, "order", "R01").shuffled("abcdef") == Draw(1, "order", "R01").shuffled("abcdef")
    True
    """

    def __init__(self, seed: int, *name: str | int) -> None:
        self._bits = np.random.PCG64(derive(seed, *name))

    def word(self) -> int:
        """A uniform integer 0 .. 2**64 - 1."""
        return int(self._bits.random_raw())

    def below(self, bound: int) -> int:
        """A uniform integer 0 .. bound - 1, without modulo bias. Raises ``ValueError`` below 1."""
        if bound < 1:
            raise ValueError(f"cannot draw one of {bound}")
        limit = _WORD - _WORD % bound
        while (word := self.word()) >= limit:
            pass
        return word % bound

    def uniform(self) -> float:
        """A float in [0, 1) on a grid of 2**-53."""
        return (self.word() >> 11) * 2.0**-53

    def choice(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def weighted(self, weights: Sequence[float]) -> int:
        """An index with probability proportional to its weight."""
        target = self.uniform() * sum(weights)
        for index, weight in enumerate(weights):
            target -= weight
            if target < 0:
                return index
        return max(index for index, weight in enumerate(weights) if weight > 0)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """A uniformly drawn permutation (Fisher and Yates), leaving ``items`` as they are."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """``count`` different items in random order. Raises ``ValueError`` when there are fewer."""
        if count > len(items):
            raise ValueError(f"cannot draw {count} of {len(items)}")
        pool = list(items)
        for place in range(count):
            other = place + self.below(len(pool) - place)
            pool[place], pool[other] = pool[other], pool[place]
        return pool[:count]
