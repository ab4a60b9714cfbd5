"""Synthetic radiographs: phantoms, progressively grown GANs, and their measurement."""
