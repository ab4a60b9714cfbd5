"""Findings that a phantom can carry: which, how often, and how large and where each is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthesis.phantom.anatomy import Anatomy

NO_FINDING = "No Finding"

# ChestX-ray14 term: share among phantoms drawn without a wish.
PREVALENCE: dict[str, float] = {
    NO_FINDING: 0.36,
    "Nodule": 0.11,
    "Mass": 0.08,
    "Effusion": 0.10,
    "Cardiomegaly": 0.09,
    "Pneumothorax": 0.07,
    "Consolidation": 0.08,
    "Atelectasis": 0.06,
    "Emphysema": 0.05,
}

_SYNONYMS = {
    "none": NO_FINDING,
    "normal": NO_FINDING,
    "pleural effusion": "Effusion",
    "hyperinflation": "Emphysema",
}


@dataclass(frozen=True)
class Finding:
    """One drawn finding. Which fields matter depends on ``label``; lengths in mm."""

    label: str
    side: int  # -1 the patient's right, +1 left, 0 both or midline
    centre: tuple[float, float, float]  # x, y, z in patient coordinates
    radii: tuple[float, float, float]
    amount: float  # density share, height or factor, see where it is drawn
    seed: int  # of its outline and texture


def known_labels() -> tuple[str, ...]:
    """Every label that :func:`choose` can give."""
    return tuple(PREVALENCE)


def choose(rng: np.random.Generator, wanted: str | Sequence[str] | None) -> tuple[str, ...]:
    """Canonical labels for a wish; drawn from :data:`PREVALENCE` where there is none.

    "No Finding" gives an empty tuple. Raises ``ValueError`` for an unknown name, or for
    "No Finding" beside another.
    """
    if wanted is None:
        names = list(PREVALENCE)
        first = str(rng.choice(names, p=list(PREVALENCE.values())))
        second = str(rng.choice(names, p=list(PREVALENCE.values())))
        drawn = [first] if first == NO_FINDING or rng.random() > 0.2 else [first, second]
        return tuple(dict.fromkeys(name for name in drawn if name != NO_FINDING))
    by_name = {name.lower(): name for name in PREVALENCE} | _SYNONYMS
    asked = [wanted] if isinstance(wanted, str) else list(wanted)
    labels = []
    for name in asked:
        if name.strip().lower() not in by_name:
            raise ValueError(
                f"pathology {name!r} is not one a phantom can carry; use one of "
                f"{', '.join(PREVALENCE)}"
            )
        labels.append(by_name[name.strip().lower()])
    if NO_FINDING in labels and len(set(labels)) > 1:
        raise ValueError(f"{NO_FINDING!r} cannot stand beside another finding, got {asked!r}")
    return tuple(dict.fromkeys(label for label in labels if label != NO_FINDING))


def draw_finding(rng: np.random.Generator, label: str, anatomy: Anatomy) -> Finding:
    """Place and size one finding in this thorax."""
    side = -1 if rng.random() < 0.55 else 1
    seed = int(rng.integers(2**31))
    floor = anatomy.dome_right if side < 0 else anatomy.dome_left
    top = 118 * anatomy.scale
    wide = anatomy.half_width

    def inside(margin: float, low: float = 0.12, high: float = 0.82) -> tuple[float, float, float]:
        height = rng.uniform(low, high)
        z = floor + margin + height * (top - floor - 2 * margin)
        outer = wide * (0.86 if height < 0.6 else 0.86 - 0.62 * (height - 0.6))
        inner = 0.34 * wide if side < 0 or height > 0.5 else 0.52 * wide
        x = side * rng.uniform(min(inner, outer - 8), max(outer - margin, inner + 4))
        return float(x), float(rng.uniform(-0.4, 0.35) * anatomy.half_depth), float(z)

    fields: dict[str, Any] = {"side": side, "centre": (0.0, 0.0, 0.0), "radii": (0.0, 0.0, 0.0)}
    if label == "Nodule":
        radius = rng.uniform(5.5, 14)
        fields |= {"centre": inside(radius), "radii": (radius,) * 3, "amount": 1.0}
    elif label == "Mass":
        radius = rng.uniform(17, 34)
        fields |= {
            "centre": inside(radius),
            "radii": (radius * rng.uniform(0.85, 1.2), radius, radius * rng.uniform(0.85, 1.2)),
            "amount": 1.0,
        }
    elif label == "Effusion":
        # amount: how far the fluid stands above the costophrenic angle, mm
        fields |= {"amount": rng.uniform(48, 125) * anatomy.scale}
        fields["side"] = 0 if rng.random() < 0.2 else side
    elif label == "Cardiomegaly":
        fields |= {"side": 0, "amount": rng.uniform(1.2, 1.45)}  # of the patient's own heart
    elif label == "Pneumothorax":
        fields |= {"amount": rng.uniform(14, 46) * anatomy.scale}  # apical gap
    elif label == "Consolidation":
        radius = rng.uniform(28, 52)
        fields |= {
            "centre": inside(0.6 * radius, 0.05, 0.7),
            "radii": (radius * rng.uniform(0.8, 1.15), radius, radius * rng.uniform(0.7, 1.1)),
            "amount": rng.uniform(0.45, 0.85),
        }
    elif label == "Atelectasis":
        # A plate across a lower lobe: radii are half length, half depth, half thickness.
        centre = inside(12, 0.1, 0.36)
        fields |= {
            "centre": centre,
            "radii": (rng.uniform(24, 42), rng.uniform(9, 18), rng.uniform(1.3, 2.6)),
            "amount": rng.uniform(-24, 24),  # degrees of slope
        }
    elif label == "Emphysema":
        fields |= {"side": 0, "amount": 1.0}
    else:
        raise ValueError(f"no drawing for {label!r}; use one of {', '.join(PREVALENCE)}")
    return Finding(label=label, seed=seed, **fields)
