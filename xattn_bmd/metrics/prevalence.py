"""Predictive values carried over to a population in which low density is more or less common than in the cohort.

Sensitivity and specificity are taken to be the same in both populations, which holds where only the share of low
density differs and not who is low; predictive values then follow from Bayes' rule.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.errors import MetricError


class PredictiveValues(NamedTuple):
    """What a call means.

    Attributes:
        ppv: (...) share of those called low that are low.
        npv: (...) share of those called not low that are not.
    """

    ppv: NDArray[np.float64]
    npv: NDArray[np.float64]


def transferred_values(sensitivity: ArrayLike, specificity: ArrayLike, *, prevalence: ArrayLike) -> PredictiveValues:
    """Return the predictive values at a stated prevalence.

    ``ppv = se · p / (se · p + (1 - sp) · (1 - p))`` and ``npv = sp · (1 - p) / (sp · (1 - p) + (1 - se) · p)``.

    Args:
        sensitivity: (...) in 0-1; NaN where unknown.
        specificity: (...) in 0-1; NaN where unknown.
        prevalence: (...) share of low density in the population, in 0-1.

    Returns:
        Values in the shape to which the three broadcast; NaN where sensitivity or specificity is, or where nobody is
        called so.

    Raises:
        MetricError: if a prevalence is not in 0-1.

    Example:
        >>> values = transferred_values(0.9, 0.9, prevalence=0.1)
        >>> round(float(values.ppv), 3), round(float(values.npv), 3)
        (0.5, 0.988)
    """
    share = np.asarray(prevalence, dtype=np.float64)
    if not ((share >= 0) & (share <= 1)).all():
        raise MetricError(f"A prevalence is a share in 0-1, but {prevalence!r} was given; write 10 % as 0.1.")
    found, spared = np.asarray(sensitivity, dtype=np.float64), np.asarray(specificity, dtype=np.float64)
    true_low, false_low = found * share, (1.0 - spared) * (1.0 - share)
    true_other, false_other = spared * (1.0 - share), (1.0 - found) * share
    with np.errstate(divide="ignore", invalid="ignore"):
        return PredictiveValues(true_low / (true_low + false_low), true_other / (true_other + false_other))
