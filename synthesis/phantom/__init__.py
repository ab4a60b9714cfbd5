"""Computed chest phantoms with known pathology: data for the demo and for tests.

A parametric thorax is drawn from a seed and ray-traced with Beer-Lambert attenuation into a 12-bit
frontal chest radiograph, with the exact mask of every finding. Knows no Django.

>>> from synthesis.phantom import draw, render
>>> phantom = render(draw(7, pathology="Nodule"), size=128)
>>> phantom.pixels.shape, phantom.labels
((128, 128), ('Nodule',))
"""

from synthesis.phantom.anatomy import Anatomy
from synthesis.phantom.dicom import to_dataset, write_dicom
from synthesis.phantom.findings import NO_FINDING, PREVALENCE, Finding, known_labels
from synthesis.phantom.parameters import Exposure, PhantomParameters, draw
from synthesis.phantom.render import LARGEST, Phantom, render, trace

__all__ = [
    "LARGEST",
    "NO_FINDING",
    "PREVALENCE",
    "Anatomy",
    "Exposure",
    "Finding",
    "Phantom",
    "PhantomParameters",
    "draw",
    "known_labels",
    "render",
    "to_dataset",
    "trace",
    "write_dicom",
]
