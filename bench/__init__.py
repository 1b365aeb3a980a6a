"""Measurements: counts and ratios, never wall times."""
