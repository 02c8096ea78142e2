"""Corrected resampled t-test: the difference of a fold-wise metric, with training sets that overlap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.intervals import LEVEL

CORRECTED_T = "corrected_resampled_t"


class ResampledT(NamedTuple):
    """Result of :func:`corrected_resampled_t`.

    Attributes:
        difference: mean difference over all folds of all repeats.
        low: lower end of its 95 % interval.
        high: upper end of it.
        p: two-sided p-value of no difference.
    """

    difference: float
    low: float
    high: float
    p: float


def corrected_resampled_t(differences: ArrayLike, *, test_share: ArrayLike) -> ResampledT:
    """Return the corrected resampled t-test of Nadeau and Bengio (2003) over folds and repeats.

    Scores of different folds are correlated, because their training sets overlap.  The variance of the mean of ``R``
    differences is therefore taken as ``s² (1/R + n_test / n_train)``: for ``T`` repeats of ``K`` equal folds,
    ``1 + T K / (K - 1)`` times what independent folds would have (Bouckaert and Frank 2004).  Degrees of freedom are
    ``R - 1``.  Where folds have unequal sizes, each fold counts once and ``n_test / n_train`` is its mean over folds.

    Args:
        differences: (R,) metric of model a minus metric of model b in each fold of each repeat.
        test_share: (R,) ``n_test / n_train`` of each fold, positive.

    Returns:
        All NaN with fewer than two folds, or where the metric is undefined in one of them.  Where every difference is
        the same, there is no spread to judge by: the interval is NaN, and ``p`` too unless all of them are 0 (p = 1).

    Raises:
        MetricError: if the shapes differ or a share is not a positive number.

    Example:
        >>> result = corrected_resampled_t([-3.0, -1.0, -2.0, -2.0], test_share=[1 / 3] * 4)
        >>> round(result.difference, 2), round(result.p, 3)
        (-2.0, 0.049)
    """
    from scipy import stats

    d, shares = np.asarray(differences, dtype=np.float64), np.asarray(test_share, dtype=np.float64)
    if d.shape != shares.shape or d.ndim != 1 or not (np.isfinite(shares) & (shares > 0)).all():
        raise MetricError(
            "The corrected t-test takes a difference and a positive n_test / n_train of each fold, but differences of "
            f"shape {d.shape} and shares {shares.tolist()[:5]} were given; take both from the same folds."
        )
    if len(d) < 2 or not np.isfinite(d).all():
        return ResampledT(*(float("nan"),) * 4)
    mean, freedom = float(d.mean()), len(d) - 1
    if np.ptp(d) <= 1e-12 * np.abs(d).max():
        return ResampledT(mean, float("nan"), float("nan"), 1.0 if mean == 0 else float("nan"))
    error = float(np.sqrt(d.var(ddof=1) * (1.0 / len(d) + shares.mean())))
    half = float(stats.t.ppf(0.5 + LEVEL / 2.0, freedom)) * error
    return ResampledT(mean, mean - half, mean + half, float(2.0 * stats.t.sf(abs(mean) / error, freedom)))
