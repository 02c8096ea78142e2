"""Simulated hip and chest radiographs: X-ray physics through bones with the bone density of a drawn person.

Everything made here is simulated and must be labelled so wherever it is shown; it is no clinical evidence.
"""

from __future__ import annotations

from xattn_bmd.simulate.cohort import simulate_cohort

__all__ = ["simulate_cohort"]
