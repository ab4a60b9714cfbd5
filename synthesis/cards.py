"""A generator's model card in words, for its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FORMATS = {
    "synthesis.pggan.generator": "This software's own format",
    "cxr_pggan": "CXR_PGGAN (Segal and others, 2020)",
    "pytorch_gan_zoo": "pytorch_GAN_zoo",
    "karras_tensorflow": "Karras's TensorFlow pickle",
    "karras_theano": "Karras's Theano pickle",
}
UNKNOWN = "not stated"


def format_name(source_format: str) -> str:
    """What a checkpoint came as, in words."""
    return FORMATS.get(source_format, source_format)


def lines(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The card as (name, value): what is known first, what was left open plainly so."""
    seen = card.get("images_seen")
    found = [
        ("Trained on", trained_on(card.get("data"))),
        ("Images seen in training", f"{seen:,}" if isinstance(seen, int) and seen else UNKNOWN),
        ("Trained", str(card.get("date") or UNKNOWN)),
        ("Licence of the weights", str(card.get("licence") or UNKNOWN)),
        ("Intended use", str(card.get("intended_use") or UNKNOWN)),
        *measures(card.get("metrics")),
    ]
    if card.get("notes"):
        found.append(("Notes", str(card["notes"])))
    return found


def trained_on(data: Any) -> str:
    """The films in a sentence. Cards of other makers say whatever they say."""
    if not isinstance(data, Mapping):
        return str(data or UNKNOWN)
    words = [str(data["description"])] if data.get("description") else []
    if data.get("films"):
        words.append(f"{_films(data, '')} trained on, {_films(data, 'held_out_')} held out")
    return "; ".join(words) or "; ".join(f"{k}: {v}" for k, v in data.items()) or UNKNOWN


def _films(data: Mapping[str, Any], which: str) -> str:
    films, patients = data.get(f"{which}films") or 0, data.get(f"{which}patients") or 0
    return f"{films:,} film{'s' * (films != 1)} of {patients:,} patient{'s' * (patients != 1)}"


def measures(metrics: Any) -> list[tuple[str, str]]:
    """The training's own measures, named, with what they are to be compared with."""
    left = dict(metrics) if isinstance(metrics, Mapping) else {}
    found = []
    if (distance := _number(left.pop("frechet", None))) is not None:
        words = f"{distance:.3g}"
        floor, count = _number(left.pop("frechet_held_out", None)), left.pop("frechet_images", None)
        if floor is not None:
            words += f"; held-out films {floor:.3g}"
        if count:
            words += f" ({count:.0f} images of each)" if floor is not None else f" ({count:.0f})"
        found.append(("Fréchet distance to its films (house features, no FID)", words))
    if (spread := _number(left.pop("spread", None))) is not None:
        found.append(("Spread of its samples to that of films", f"{spread:.2f}"))
    for name, value in left.items():
        number = _number(value)
        shown = str(value) if number is None else f"{number:.4g}"
        found.append((str(name).replace("_", " "), shown))
    return found


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
