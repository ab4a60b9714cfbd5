"""The small typed answers that every estimator returns."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Estimate:
    """One estimated quantity with its uncertainty and, where made, one test.

    Whatever does not apply is ``None``: an exact interval has no standard error, an estimate
    without a null value has no p. ``details`` holds what is particular to the method (variance
    components, covariances, degrees of freedom of the interval ...), ``notes`` the plain-language
    warnings a reader of the number must see.
    """

    name: str
    estimate: float
    standard_error: float | None = None
    lower: float | None = None
    upper: float | None = None
    level: float = 0.95
    null: float | None = None
    statistic: float | None = None
    df: float | tuple[float, float] | None = None
    p_value: float | None = None
    alternative: str = "two-sided"
    method: str = ""
    n: int | None = None
    details: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Every field at full precision, ready for JSON (NaN and infinities become ``None``)."""
        return _plain(asdict(self))

    def summary(self) -> str:
        """One line for people, e.g. ``realism rate 0.61 (95 % CI 0.52 to 0.69), n = 480``."""
        text = f"{self.name} {_digits(self.estimate)}"
        if self.lower is not None and self.upper is not None:
            interval = f"{_digits(self.lower)} to {_digits(self.upper)}"
            text += f" ({100 * self.level:g} % CI {interval})"
        if self.p_value is not None:
            text += f", {format_p(self.p_value)}"
            margin = self.details.get("margin")
            if self.null is not None and self.alternative == "equivalence" and margin is not None:
                text += f" for equivalence to {self.null:g} within {margin:g}"
            elif self.null is not None:
                text += f" against {self.null:g}"
        if self.n is not None:
            text += f", n = {self.n}"
        if self.method:
            text += f" [{self.method}]"
        return "; ".join([text, *self.notes])


def format_p(p: float) -> str:
    """A p-value to two significant digits, never "p = 0"."""
    if math.isnan(p):
        return "p not defined"
    if p < 0.0001:
        return "p < 0.0001"
    if p > 0.99:
        return "p > 0.99"
    return f"p = {p:.2g}"


def plain_numbers(value: Any) -> Any:
    """Nested dicts, lists and arrays as plain numbers for JSON; what is not finite is ``None``."""
    return _plain(value)


def _digits(value: float) -> str:
    return "not defined" if math.isnan(value) else f"{value:.3f}"


def _plain(value: Any) -> Any:
    """Plain Python numbers, lists and dicts in place of numpy's, so that ``json`` takes them."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
