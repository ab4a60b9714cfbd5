"""Multi-reader multi-case analysis.

``obuchowski_rockette`` (Hillis degrees of freedom), ``dorfman_berbaum_metz``, ``u_statistics``
(Gallas, any design), ``equivalence`` and ``non_inferiority`` of what they give, and sample size
from a pilot (``mrmc_power``, ``cases_needed``, ``readers_needed``).
"""

from .dbm import DbmResult, dorfman_berbaum_metz, pseudovalues
from .equivalence import equivalence, non_inferiority
from .figures import COVARIANCES, METRICS, Figures, figures_of_merit
from .obuchowski_rockette import analyse_figures, design_of, obuchowski_rockette
from .result import MrmcResult
from .samplesize import Pilot, Planned, cases_needed, mrmc_power, readers_needed
from .ustatistics import u_statistics, u_statistics_of

__all__ = [
    "COVARIANCES",
    "METRICS",
    "DbmResult",
    "Figures",
    "MrmcResult",
    "Pilot",
    "Planned",
    "analyse_figures",
    "cases_needed",
    "design_of",
    "dorfman_berbaum_metz",
    "equivalence",
    "figures_of_merit",
    "mrmc_power",
    "non_inferiority",
    "obuchowski_rockette",
    "pseudovalues",
    "readers_needed",
    "u_statistics",
    "u_statistics_of",
]
