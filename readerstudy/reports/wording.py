"""The report's first sentences, in the words of the declared plan."""

from __future__ import annotations

from readerstudy.analysis.result import Estimate, format_p
from readerstudy.reports.statistics import Statistics
from readerstudy.studies.protocol import AnalysisPlan


def headline(statistics: Statistics, plan: AnalysisPlan) -> list[str]:
    """What was found, with its uncertainty; never a naked "significant"."""
    realism = statistics.realism
    said = [
        f"Of {m} scans, readers chose an acquired one as real in {_share(rate.primary)} of "
        f"{rate.n} choices; against chance ({100 / m:.3g} %) {_p(rate.primary)}."
        for m, rate in statistics.choices.items()
    ]
    difference = statistics.quality.get("difference")
    if difference is not None:
        said.append(
            f"Mean image quality of generated scans was {_points(difference.estimate)} against "
            f"acquired ones ({_points_interval(difference)}), {_p(difference)}."
        )
    if realism is None:
        return said or ["Nothing was recorded, so there is nothing to report."]
    generated = realism.by_origin.get("generated")
    acquired = realism.by_origin.get("acquired")
    if generated is not None:
        primary = generated.primary
        said.append(
            f"Readers judged generated scans real in {_share(primary)} of {generated.n} "
            f"readings; against chance ({100 * plan.chance:g} %) {_p(primary)}."
        )
    if acquired is not None:
        said.append(
            f"They judged acquired scans real in {_share(acquired.primary)} of "
            f"{acquired.n} readings."
        )
    difference = realism.difference.get("u_statistic")
    if difference is not None:
        said.append(
            f"The difference, generated minus acquired, is "
            f"{_signed(difference.estimate)} percentage points "
            f"({_interval(difference, signed=True)}), {_p(difference)}."
        )
    if generated is not None and plan.equivalence_margin is not None:
        equivalence = generated.equivalence.get("u_statistic")
        if equivalence is not None and equivalence.p_value is not None:
            held = equivalence.p_value < plan.alpha
            said.append(
                f"Equivalence to chance within {100 * plan.equivalence_margin:g} percentage points "
                f"was {'shown' if held else 'not shown'} "
                f"({format_p(equivalence.p_value)}, two one-sided tests)."
            )
    return said


def _share(estimate: Estimate) -> str:
    return f"{100 * estimate.estimate:.0f} % ({_interval(estimate)})"


def _interval(estimate: Estimate, *, signed: bool = False) -> str:
    if estimate.lower is None or estimate.upper is None:
        return "no interval"
    write = _signed if signed else _percent
    return f"{100 * estimate.level:g} % CI {write(estimate.lower)} to {write(estimate.upper)}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _signed(share: float) -> str:
    """Percentage points with a sign, a minus sign proper."""
    return f"{100 * share:+.0f}".replace("-", "−")


def _points(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _points_interval(estimate: Estimate) -> str:
    if estimate.lower is None or estimate.upper is None:
        return "no interval"
    level = f"{100 * estimate.level:g} % CI"
    return f"{level} {_points(estimate.lower)} to {_points(estimate.upper)}"


def _p(estimate: Estimate) -> str:
    return format_p(estimate.p_value) if estimate.p_value is not None else "p not defined"
