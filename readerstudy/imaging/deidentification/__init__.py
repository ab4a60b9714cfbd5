"""DICOM headers without the patient: PS3.15 Annex E. No Django.

The Basic Application Level Confidentiality Profile always applies; options add to it. What the
archive keeps of a header is a short list on top of that (``table.KEPT_KEYWORDS``), so an attribute
the standard overlooks does not slip through.
"""

from readerstudy.imaging.deidentification.clearing import deidentify
from readerstudy.imaging.deidentification.header import kept_header
from readerstudy.imaging.deidentification.options import CLEAN_PIXELS, Options
from readerstudy.imaging.deidentification.pseudonymiser import Pseudonymiser
from readerstudy.imaging.deidentification.report import Report, names_of
from readerstudy.imaging.deidentification.values import OLDEST_AGE

__all__ = [
    "CLEAN_PIXELS",
    "OLDEST_AGE",
    "Options",
    "Pseudonymiser",
    "Report",
    "deidentify",
    "kept_header",
    "names_of",
]
