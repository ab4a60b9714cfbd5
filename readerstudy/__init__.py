"""Reader studies of synthetic radiographs."""

__version__ = "0.1.0"
