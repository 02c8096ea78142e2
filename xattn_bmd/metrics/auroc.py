"""Area under the ROC curve, weighted, for many weightings at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.metrics.scored_labels import scored_labels


def auroc(positive: ArrayLike, score: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the probability that a positive scores above a negative; ties count half.

    Args:
        positive: (N,) bool.
        score: (N,) higher means more likely positive.
        weights: (N,) non-negative weights; all 1 where None.

    Returns:
        Area in 0-1; NaN where one class is absent (or has no weight).

    Raises:
        MetricError: if the shapes differ or a score is not finite.

    Example:
        >>> auroc([True, True, False], [0.9, 0.4, 0.4])
        0.75
    """
    given = scored_labels(positive, score, weights, metric="AUROC")
    return float(weighted_auroc(given.positive, given.score, given.weights[None])[0])


def weighted_auroc(
    positive: NDArray[np.bool_], score: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return :func:`auroc` for every row of ``weights``, sorting the scores only once.

    Args:
        positive: (N,) bool.
        score: (N,) finite.
        weights: (R, N) non-negative.

    Returns:
        (R,) areas; NaN in rows where a class has no weight.
    """
    positives, negatives = np.flatnonzero(positive), np.flatnonzero(~positive)
    negatives = negatives[np.argsort(score[negatives], kind="stable")]
    below = np.searchsorted(score[negatives], score[positives], side="left")
    up_to = np.searchsorted(score[negatives], score[positives], side="right")
    cumulated = np.zeros((len(weights), len(negatives) + 1))
    np.cumsum(np.take(weights, negatives, axis=1), axis=1, out=cumulated[:, 1:])
    of_positives = np.take(weights, positives, axis=1)
    beaten = np.take(cumulated, below, axis=1)
    beaten += np.take(cumulated, up_to, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        area = 0.5 * np.einsum("rn,rn->r", of_positives, beaten) / (of_positives.sum(axis=1) * cumulated[:, -1])
    return np.where(np.isfinite(area), area, np.nan)
