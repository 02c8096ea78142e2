"""Lumbar density of adults and the clavicular mineral that goes with it.

What is sourced: the mean of women and men together at about 75 years, 1.16 g/cm² on the Lunar scale, from 1.10 ± 0.20
g/cm² (standardised, L1-L4, 209 controls of the Hertfordshire Cohort Study, 75.2 years, 58 % women, PMC4289915) through
the spine line of Hui 1997.  The SD over everybody, 0.188 g/cm², follows from the errors published for chest radiographs
(1,600 patients: the SD of the differences with the correlation).

What is assumed, for want of a source: the difference of the sexes, the loss with age, the tie to weight, the precision
error, and the correlation of 0.85 between clavicular mineral and lumbar density.
"""

from __future__ import annotations

import math

import numpy as np

from xattn_bmd.simulate.mesh import Floats
from xattn_bmd.simulate.presets import Sex

CLAVICLE_R = 0.85
"""Correlation of clavicular mineral with lumbar density over adults of both sexes.  ASSUMED: no published figure was
found; a model's correlation with the label cannot exceed it by much, so no result of the bench may be read as clinical.
"""

POPULATION = (1.165, 0.188)
"""Mean and SD that a person's z-score of lumbar density refers to, g/cm², Lunar."""

LUMBAR_CV = 0.012
"""Precision error of a lumbar scan, a share.  ASSUMED: usual for L1-L4, not taken from a named source."""

CLAVICLE_DENSITY = (0.44, 0.075)
"""Mean and SD of clavicular mineral per volume of the whole bone, g/cm³.  ASSUMED."""

_AT_75: dict[Sex, float] = {"female": 1.105, "male": 1.235}
"""ASSUMED difference of 0.13 g/cm² around the sourced mean of both sexes."""

_PER_YEAR: dict[Sex, float] = {"female": -0.0030, "male": 0.0}
"""ASSUMED; degenerative change hides the loss of older spines, more so in men."""

_PER_LOG_WEIGHT = 0.20
_USUAL_WEIGHT = 77.0
_REST_SD = 0.1645
_RANGE = (0.55, 2.0)
_DENSITY_RANGE = (0.20, 0.75)


def lumbar_density(rng: np.random.Generator, *, sex: Sex, age: Floats, weight: Floats) -> Floats:
    """Draw lumbar density (L1-L4, Lunar) of people of one sex, ``(N,)`` g/cm², without measurement error.

    Args:
        rng: the only source of randomness.
        sex: of all of them.
        age: ``(N,)`` years.
        weight: ``(N,)`` kg.

    Example:
        >>> age, weight = np.full(20_000, 75.0), np.full(20_000, 77.0)
        >>> round(float(lumbar_density(np.random.default_rng(0), sex="female", age=age, weight=weight).mean()), 1)
        1.1
    """
    expected = _AT_75[sex] + _PER_YEAR[sex] * (age - 75) + _PER_LOG_WEIGHT * np.log(weight / _USUAL_WEIGHT)
    density: Floats = np.clip(expected + _REST_SD * rng.standard_normal(len(age)), *_RANGE)
    return density


def clavicle_density(rng: np.random.Generator, lumbar: Floats) -> Floats:
    """Draw the mineral of the clavicles, ``(N,)`` g/cm³ of bone volume, tied to lumbar density by :data:`CLAVICLE_R`.

    Args:
        rng: the only source of randomness.
        lumbar: ``(N,)`` density without measurement error, g/cm².

    Example:
        >>> rng = np.random.default_rng(0)
        >>> lumbar = rng.normal(*POPULATION, size=20_000)
        >>> round(float(np.corrcoef(lumbar, clavicle_density(rng, lumbar))[0, 1]), 2)
        0.85
    """
    z_score = (lumbar - POPULATION[0]) / POPULATION[1]
    tied = CLAVICLE_R * z_score + math.sqrt(1 - CLAVICLE_R**2) * rng.standard_normal(len(lumbar))
    density: Floats = np.clip(CLAVICLE_DENSITY[0] + CLAVICLE_DENSITY[1] * tied, *_DENSITY_RANGE)
    return density
