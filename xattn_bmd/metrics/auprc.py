"""Area under the precision-recall curve as average precision, weighted, for many weightings at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.metrics.scored_labels import scored_labels


def auprc(positive: ArrayLike, score: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the average precision: the mean, over the positives, of the precision at each one's score.

    This is ``sum((recall_n - recall_(n - 1)) * precision_n)`` over the different scores from the highest down, the
    step-wise area that scikit-learn's ``average_precision_score`` gives; nothing is interpolated, and radiographs of
    equal score enter together.  A score that knows nothing reaches about the prevalence.

    Args:
        positive: (N,) bool.
        score: (N,) higher means more likely positive.
        weights: (N,) non-negative weights; all 1 where None.

    Returns:
        Area in 0-1; NaN where the positive class is absent (or has no weight).

    Raises:
        MetricError: if the shapes differ or a score is not finite.

    Example:
        >>> round(auprc([True, True, False], [0.9, 0.4, 0.4]), 3)
        0.833
    """
    given = scored_labels(positive, score, weights, metric="AUPRC")
    return float(weighted_auprc(given.positive, given.score, given.weights[None])[0])


def weighted_auprc(
    positive: NDArray[np.bool_], score: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return :func:`auprc` for every row of ``weights``, sorting the scores only once.

    Args:
        positive: (N,) bool.
        score: (N,) finite.
        weights: (R, N) non-negative.

    Returns:
        (R,) areas; NaN in rows where the positive class has no weight.
    """
    order = np.argsort(-score, kind="stable")
    found, descending = np.flatnonzero(positive[order]), -score[order]
    # Where each positive's score ends among all, and among the positives: ties count as called together.
    last = np.searchsorted(descending, descending[found], side="right") - 1
    rank = np.searchsorted(found, last, side="right") - 1
    ordered = np.take(weights, order, axis=1)
    of_positives = np.take(ordered, found, axis=1)
    called = np.take(np.cumsum(ordered, axis=1), last, axis=1)
    precision = np.take(np.cumsum(of_positives, axis=1), rank, axis=1)
    np.divide(precision, called, out=precision, where=called > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.einsum("rn,rn->r", of_positives, precision) / of_positives.sum(axis=1))
