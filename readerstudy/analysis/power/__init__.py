"""Planning: how many readers and cases a study needs.

Independent readings: ``binomial_power``, ``two_proportions_power``, ``mcnemar_power``; one reader:
``roc_power``, ``d_prime_power``; kappa: ``kappa_power`` of two readers, ``fleiss_kappa_power`` of
any number. Readers and cases random:
``realism_power``, ``auc_power`` (MRMC AUC against chance, a difference, equivalence), and from a
pilot ``readerstudy.analysis.mrmc.mrmc_power``. ``power_curve`` runs any of these over a grid.
``simulated_power`` counts how often simulated studies reach their goal through the very code that
will analyse the real one; with ``judgment_study`` and ``endpoint_rejected`` that is the whole plan
with its multiplicity.

The names are imported on first use: the pilot's sample size (in ``mrmc``) needs this package's
``tost_power``, and the simulation needs ``mrmc``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "ALTERNATIVES": "binomial",
    "AucPlan": "auc",
    "RealismPlan": "realism",
    "auc_differs": "simulation",
    "auc_equivalent": "simulation",
    "auc_power": "auc",
    "binomial_power": "binomial",
    "binomial_sample_size": "binomial",
    "conjectured_pilot": "auc",
    "d_prime_power": "one_reader",
    "endpoint_rejected": "simulation",
    "fleiss_kappa_variance": "kappa",
    "fleiss_kappa_power": "kappa",
    "fleiss_kappa_sample_size": "kappa",
    "hanley_mcneil": "auc",
    "judgment_study": "simulation",
    "kappa_power": "kappa",
    "kappa_sample_size": "kappa",
    "mcnemar_power": "two",
    "power_curve": "curves",
    "rate_differs": "simulation",
    "rate_equivalent": "simulation",
    "rate_moments": "realism",
    "rate_variance": "realism",
    "rating_study": "simulation",
    "realism_cases": "realism",
    "realism_power": "realism",
    "realism_study": "simulation",
    "roc_power": "one_reader",
    "roc_sample_size": "one_reader",
    "simulated_power": "simulation",
    "tost_power": "equivalence",
    "two_proportions_power": "two",
    "two_proportions_sample_size": "two",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
