"""Tests, intervals, equivalence and power for one, two and paired proportions."""

from readerstudy.analysis.proportions.equivalence import (
    EQUIVALENCE_METHODS,
    equivalence_to_constant,
    equivalence_two_proportions,
)
from readerstudy.analysis.proportions.equivalence_power import (
    power_equivalence_to_constant,
    power_equivalence_two_proportions,
    sample_size_equivalence_to_constant,
)
from readerstudy.analysis.proportions.one import (
    INTERVAL_METHODS,
    binomial_test,
    interval,
    limits,
    power_binomial_test,
)
from readerstudy.analysis.proportions.paired import mcnemar, tango
from readerstudy.analysis.proportions.two import (
    miettinen_nurminen,
    newcombe,
    two_proportions,
)

__all__ = [
    "EQUIVALENCE_METHODS",
    "INTERVAL_METHODS",
    "binomial_test",
    "equivalence_to_constant",
    "equivalence_two_proportions",
    "interval",
    "limits",
    "mcnemar",
    "miettinen_nurminen",
    "newcombe",
    "power_binomial_test",
    "power_equivalence_to_constant",
    "power_equivalence_two_proportions",
    "sample_size_equivalence_to_constant",
    "tango",
    "two_proportions",
]
