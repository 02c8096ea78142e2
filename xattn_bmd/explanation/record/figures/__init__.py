"""Figures of the contributions of picture and record."""
