"""From a file's bytes to canonical pixels. Knows no Django, so that it can run in a bare worker.

Canonical pixels are rows x columns, unsigned, ``0 .. 2**bits - 1``, higher is brighter on screen.
"""
