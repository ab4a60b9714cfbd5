"""Readings: what readers said of presentations, and the API they say it through."""
