"""How many fractures a patient has, at which levels, how deformed, how fresh.

Taken from NHANES 2013-2014 (stored in ``spine.npz``): how old fractures spread over levels and Genant grades.
ASSUMED: everything else.  The source tells no numbers of old and fresh fractures, how deformed fresh ones are, nor how
visible their signs; the ranges were chosen from judgement before any model was trained on these pictures, and are not
to be changed to suit one.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.simulate.assets import load_arrays
from xattn_bmd.simulate.spine.person import LEVELS, Finding

BANDS = ((0.02, 0.18), (0.205, 0.25), (0.255, 0.40), (0.405, 0.58))
"""Range of the largest loss of height by Genant grade, a share; Genant's limits are 0.20, 0.25 and 0.40."""

FRESH_GRADES = (0.28, 0.34, 0.29, 0.09)
"""Share of fresh fractures by Genant grade 0 to 3: about a quarter is hardly deformed.  ASSUMED."""

_MOST = 3
_SECOND_FRESH = 0.15
_L5_SHARE = 0.04
_FRESH_SIGNS = (2.0, 1.1)
"""Shape of the beta distribution of how visible the signs of a fresh fracture are: a tenth shows below 0.3."""

_VARIANT = 0.05
_VARIANT_LOSS = (0.08, 0.19)
_SLIGHT_LOSS = 0.04


@functools.cache
def fitted_shares() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of old fractures by level ``(8,)`` and by grade 1 to 3 ``(3,)``.

    Levels: bodies of grade 2 and 3, of T11 to L4, and an assumed 4 % for L5; T10 is left alone.  Grades: T12 to L4.
    """
    counts = load_arrays("spine.npz")["grade_counts"].astype(np.float64)
    level = np.zeros(len(LEVELS))
    level[1:7] = counts[:, 2:].sum(axis=1)
    level[7] = level.sum() * _L5_SHARE / (1 - _L5_SHARE)
    grade = counts[1:, 1:].sum(axis=0)
    return level / level.sum(), grade / grade.sum()


def draw_findings(rng: np.random.Generator, *, fresh: float, old: float) -> tuple[Finding, ...]:
    """Draw what befell the vertebrae of one patient, 0 to 3 fractures.

    Args:
        rng: the only source of randomness.
        fresh: probability of a fresh fracture.
        old: mean number of old ones, before the limit of three in all.

    Example:
        >>> found = draw_findings(np.random.default_rng(0), fresh=1.0, old=0.0)
        >>> {finding.condition for finding in found} == {"normal", "fresh"}
        True
    """
    new = int(rng.random() < fresh)
    new += int(new and rng.random() < _SECOND_FRESH)
    past = min(int(rng.poisson(old)), _MOST - new)
    by_level, by_grade = fitted_shares()
    places = rng.choice(len(LEVELS), size=new + past, replace=False, p=by_level).tolist()
    findings = [_normal(rng) for _ in LEVELS]
    for order, place in enumerate(places):
        if order < new:
            grade = int(rng.choice(4, p=FRESH_GRADES))
            signs = float(rng.beta(*_FRESH_SIGNS))
            findings[place] = Finding(condition="fresh", grade=grade, loss=_loss(rng, grade), signs=round(signs, 4))
        else:
            grade = 1 + int(rng.choice(3, p=by_grade))
            findings[place] = Finding(condition="old", grade=grade, loss=_loss(rng, grade))
    return tuple(findings)


def _loss(rng: np.random.Generator, grade: int) -> float:
    return round(float(rng.uniform(*BANDS[grade])), 4)


def _normal(rng: np.random.Generator) -> Finding:
    """Return a normal body; one in twenty is short in front by growth."""
    variant, slight = rng.random() < _VARIANT, float(rng.uniform(0, _SLIGHT_LOSS))
    return Finding(loss=round(float(rng.uniform(*_VARIANT_LOSS)) if variant else slight, 4))
