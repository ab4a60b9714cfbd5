"""What a generator is given for an image: noise, and the labels of a conditional one.

Both are functions of the image's seed and index. Karras's official networks and pytorch_GAN_zoo's
take labels as one-hot groups behind the noise. A label that nobody names is drawn for each image,
evenly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from synthesis.pggan.config import ConfigError, NetworkConfig

Labels = tuple[int | None, ...]  # position within each group; None is drawn


def latent(seed: int, index: int, size: int) -> np.ndarray:
    """The latent of one image, (size,) float32, N(0, 1): Philox keyed by (seed, index)."""
    if not 0 <= seed < 2**64 or not 0 <= index < 2**64:
        raise ValueError(f"seed {seed}, index {index}: whole numbers from 0 to 2^64 - 1 expected")
    stream = np.random.Generator(np.random.Philox(key=np.array([seed, index], dtype=np.uint64)))
    return stream.standard_normal(size, dtype=np.float32)


def drawn(seed: int, index: int, sizes: Sequence[int]) -> tuple[int, ...]:
    """A label of each group, by a stream of its own beside that of the noise."""
    key = np.array([seed, index], dtype=np.uint64)
    stream = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, 1]))
    return tuple(int(stream.integers(size)) for size in sizes)


def of_image(
    config: NetworkConfig, seed: int, index: int, labels: Labels | None
) -> tuple[int, ...]:
    """The labels of one image: those asked for, the others drawn. Empty where there are none."""
    check(config, labels)
    by_chance = drawn(seed, index, config.label_sizes)
    asked = labels or (None,) * len(by_chance)
    return tuple(
        chance if label is None else label for label, chance in zip(asked, by_chance, strict=True)
    )


def check(config: NetworkConfig, labels: Labels | None) -> None:
    """Raise ``ConfigError`` for labels that the network does not have."""
    if labels is None:
        return
    if len(labels) != len(config.label_sizes):
        raise ConfigError(
            f"{len(labels)} labels: the generator has {len(config.label_sizes)} groups of them"
            if config.label_sizes
            else "the generator knows no labels; it is sampled without"
        )
    for label, size in zip(labels, config.label_sizes, strict=True):
        if label is not None and not 0 <= label < size:
            raise ConfigError(f"label {label}: 0 to {size - 1} expected")


def inputs(
    config: NetworkConfig, seed: int, indices: Iterable[int], labels: Labels | None = None
) -> np.ndarray:
    """What the network is given for images ``indices`` of ``seed``, (N, latent_size) float32."""
    rows = []
    for index in indices:
        parts = [latent(seed, index, config.noise_size)]
        for size, label in zip(
            config.label_sizes, of_image(config, seed, index, labels), strict=True
        ):
            parts.append(np.eye(size, dtype=np.float32)[label])
        rows.append(np.concatenate(parts))
    return np.stack(rows)


def groups(
    config: NetworkConfig | Mapping[str, Any], card: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Each group's name and labels, from the model card where it has them, else numbered."""
    values = config if isinstance(config, Mapping) else config.as_json()
    sizes = list(values.get("label_sizes") or [])
    known = card.get("labels") or []
    named = [
        {"name": str(group["name"]), "values": [str(value) for value in group["values"]]}
        for group in known
        if isinstance(group, Mapping) and {"name", "values"} <= set(group)
    ]
    if [len(group["values"]) for group in named] == sizes:
        return named
    return [
        {
            "name": "label" if len(sizes) == 1 else f"label {number}",
            "values": [str(value) for value in range(size)],
        }
        for number, size in enumerate(sizes, 1)
    ]


def named(config: NetworkConfig, card: Mapping[str, Any], words: Sequence[str]) -> Labels | None:
    """``["Mass"]`` or ``["Finding=Mass", "View=PA"]`` as labels; ``None`` when nothing is asked.

    Raises:
        ConfigError: naming the labels that there are.
    """
    if not words:
        return None
    known = groups(config, card)
    chosen: list[int | None] = [None] * len(known)
    for word in words:
        group, equals, value = word.rpartition("=")
        fits = [
            (place, one["values"].index(value))
            for place, one in enumerate(known)
            if value in one["values"] and (not equals or one["name"] == group)
        ]
        if len(fits) != 1:
            there = "; ".join(f"{one['name']}={'|'.join(one['values'])}" for one in known)
            raise ConfigError(
                f"label {word!r}: one of {there} expected"
                if known
                else f"label {word!r}: the generator knows no labels; it is sampled without"
            )
        chosen[fits[0][0]] = fits[0][1]
    return tuple(chosen)
