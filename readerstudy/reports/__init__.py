"""Judgment table, exports and the statistical report."""
