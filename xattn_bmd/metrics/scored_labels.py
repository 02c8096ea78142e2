"""Labels with scores and weights: what every area under a curve starts from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.errors import MetricError


class ScoredLabels(NamedTuple):
    """Paired labels, scores and weights.

    Attributes:
        positive: (N,) bool.
        score: (N,) finite, higher means more likely positive.
        weights: (N,) non-negative.
    """

    positive: NDArray[np.bool_]
    score: NDArray[np.float64]
    weights: NDArray[np.float64]


def scored_labels(positive: ArrayLike, score: ArrayLike, weights: ArrayLike | None, *, metric: str) -> ScoredLabels:
    """Return labels, scores and weights as arrays; all weights are 1 where None.

    Args:
        positive: (N,) bool.
        score: (N,) numbers.
        weights: (N,) non-negative, or None.
        metric: what they are for, in messages.

    Raises:
        MetricError: if the shapes differ or a score is not finite.

    Example:
        >>> scored_labels([True, False], [0.9, 0.4], None, metric="AUROC").weights.tolist()
        [1.0, 1.0]
    """
    labels, scores = np.asarray(positive, dtype=bool), np.asarray(score, dtype=np.float64)
    factors = np.ones(scores.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if not labels.shape == scores.shape == factors.shape or labels.ndim != 1:
        raise MetricError(
            f"Labels, scores and weights of an {metric} have the same shape (N,), but "
            f"{labels.shape}, {scores.shape} and {factors.shape} were given; pair them."
        )
    if not np.isfinite(scores).all():
        raise MetricError(f"The scores of an {metric} are finite, but some are NaN or infinite; leave those out.")
    return ScoredLabels(labels, scores, factors)
