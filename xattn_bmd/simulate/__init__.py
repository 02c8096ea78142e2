"""Simulated hip and chest radiographs and lumbar CT volumes: X-ray physics through bones of known density.

Everything made here is simulated and must be labelled so wherever it is shown; it is no clinical evidence.
"""

from __future__ import annotations

from xattn_bmd.simulate.cohort import simulate_cohort

__all__ = ["simulate_cohort"]
