"""Paired comparisons of two models on the same patients: one test per file."""
