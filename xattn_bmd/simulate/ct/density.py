"""Trabecular density of lumbar vertebrae by age and sex, and the fat in their marrow.

Sourced: the loss with age in controls, 1.2 % per year of women and 0.72 % per year of men, 20 to 80 years, by
single-energy QCT (Cann, Genant, Kolb and Ettinger 1985, Bone 6:1-7, 323 controls).

Assumed, for want of a source at hand: the level at 30 years, that the share refers to it, the spread between people,
the tie to weight, marrow fat with age and density, the differences between levels and the precision error.
"""

from __future__ import annotations

import numpy as np

from xattn_bmd.simulate.mesh import Floats
from xattn_bmd.simulate.presets import Sex

QCT_ERROR = 1.5
"""SD of the precision error of the label, mg/cm³.  ASSUMED; 0.5 to 0.9 on a spine phantom (PMC5524691)."""

LEVELS = ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
TARGET_LEVELS = ("L1", "L2")
"""The reference is the mean of these two vertebrae (two lumbar bodies: table 2 of PMC7495321)."""

_AT_30: dict[Sex, float] = {"female": 185.0, "male": 178.0}
_PER_YEAR: dict[Sex, float] = {"female": -0.012, "male": -0.0072}
_SPREAD = 28.0
_PER_LOG_WEIGHT = 20.0
_RANGE = (18.0, 260.0)
_FAT_AT_60: dict[Sex, float] = {"female": 0.50, "male": 0.47}
_FAT_PER_YEAR, _FAT_SPREAD, _FAT_TIE = 0.006, 0.08, -0.35
_LEVEL_RATIO = {"T11": 1.06, "T12": 1.04, "L1": 1.02, "L2": 0.98, "L3": 0.95, "L4": 0.96, "L5": 1.00, "S1": 1.00}
_LEVEL_SPREAD = 0.035


def draw_qct(rng: np.random.Generator, *, sex: Sex, age: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Draw QCT density and marrow fat of people of one sex.

    Args:
        rng: the only source of randomness.
        sex: of all of them.
        age: ``(N,)`` years.
        weight: ``(N,)`` kg.

    Returns:
        ``(N,)`` density without measurement error, mg/cm³, and ``(N,)`` share of the marrow that is yellow.

    Example:
        >>> age, weight = np.full(5000, 65.0), np.full(5000, 75.0)
        >>> density, fat = draw_qct(np.random.default_rng(0), sex="female", age=age, weight=weight)
        >>> bool(abs(density.mean() - 185 * (1 - 35 * 0.012)) < 2), bool(0.5 < fat.mean() < 0.56)
        (True, True)
    """
    own = rng.standard_normal(len(age))
    level = _AT_30[sex] * (1 + _PER_YEAR[sex] * (age - 30)) + _PER_LOG_WEIGHT * np.log(weight / 75.0)
    density: Floats = np.clip(level + _SPREAD * own, *_RANGE)
    rest = np.sqrt(1 - _FAT_TIE**2) * rng.standard_normal(len(age))
    fat = _FAT_AT_60[sex] + _FAT_PER_YEAR * (age - 60) + _FAT_SPREAD * (_FAT_TIE * own + rest)
    return density, np.clip(fat, 0.15, 0.85)


def level_densities(rng: np.random.Generator, mean: float) -> dict[str, float]:
    """Draw the QCT density of every vertebra, mg/cm³, so that L1 and L2 have the given mean.

    Args:
        rng: draws what belongs to the person.
        mean: of L1 and L2, mg/cm³.

    Example:
        >>> drawn = level_densities(np.random.default_rng(0), 100.0)
        >>> round((drawn["L1"] + drawn["L2"]) / 2, 6)
        100.0
    """
    ratio = {level: _LEVEL_RATIO[level] * (1 + _LEVEL_SPREAD * float(rng.standard_normal())) for level in LEVELS}
    middle = sum(ratio[level] for level in TARGET_LEVELS) / len(TARGET_LEVELS)
    return {level: mean * ratio[level] / middle for level in LEVELS}
