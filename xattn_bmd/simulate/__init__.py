"""Simulated radiographs of hips, chests and lumbar spines, and lumbar CT: X-ray physics through bones of drawn people.

Everything made here is simulated and must be labelled so wherever it is shown; it is no clinical evidence.
"""

from __future__ import annotations

from xattn_bmd.simulate.cohort import simulate_cohort

__all__ = ["simulate_cohort"]
