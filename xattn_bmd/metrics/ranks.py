"""Spearman's rank correlation, weighted, for many weightings at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.errors import MetricError


def spearman_r(target: ArrayLike, prediction: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return Spearman's rank correlation of target and prediction; ties share their mean rank.

    Args:
        target: (N,) g/cm².
        prediction: (N,) g/cm².
        weights: (N,) non-negative weight of each radiograph; all 1 where None.  Whole numbers count copies.

    Returns:
        Correlation of the ranks in -1 to 1; NaN with fewer than two radiographs or where either side is constant.

    Raises:
        MetricError: if the shapes differ or a value is not finite.

    Example:
        >>> round(spearman_r([0.7, 0.8, 0.9, 1.0], [0.72, 0.70, 0.88, 0.95]), 3)
        0.8
    """
    t, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    factors = np.ones(t.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if not t.shape == p.shape == factors.shape or t.ndim != 1:
        raise MetricError(
            "Targets, predictions and weights of a rank correlation have the same shape (N,), but "
            f"{t.shape}, {p.shape} and {factors.shape} were given; pair them."
        )
    if not (np.isfinite(t).all() and np.isfinite(p).all()):
        raise MetricError("Targets and predictions are finite, but some are NaN or infinite; leave those out.")
    return float(weighted_spearman(t, p, factors[None])[0])


def weighted_spearman(
    target: NDArray[np.float64], prediction: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return :func:`spearman_r` for every row of ``weights``, sorting each side only once.

    The weighted rank of a radiograph is the weight below it plus half the weight tied with it (itself included).  With
    whole-number weights that is the mean rank of its copies less one half, which no correlation notices.

    Args:
        target: (N,) finite.
        prediction: (N,) finite.
        weights: (W, N) non-negative.

    Returns:
        (W,) correlations; NaN in rows where a side is constant among the radiographs of positive weight.
    """
    t, p = _ties(target), _ties(prediction)
    ordered = weights[:, t.order]
    ranks_t, sizes_t = _centred_ranks(ordered, t.starts)
    ranks_p, sizes_p = _centred_ranks(weights[:, p.order], p.starts)
    shared = np.add.reduceat(ordered * ranks_p[:, p.groups[t.order]], t.starts, axis=1)
    spread_t = np.einsum("wg,wg,wg->w", sizes_t, ranks_t, ranks_t)
    spread_p = np.einsum("wg,wg,wg->w", sizes_p, ranks_p, ranks_p)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.einsum("wg,wg->w", ranks_t, shared) / np.sqrt(spread_t * spread_p)
    return np.asarray(np.clip(correlation, -1.0, 1.0), dtype=np.float64)


class _Ties(NamedTuple):
    """Values put in order: (N,) their order, (G,) where each group of equal values starts, (N,) group of each value."""

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    groups: NDArray[np.intp]


def _ties(values: NDArray[np.float64]) -> _Ties:
    order = np.argsort(values, kind="stable")
    first = np.diff(values[order], prepend=-np.inf) > 0
    groups = np.empty(len(values), dtype=np.intp)
    groups[order] = np.cumsum(first) - 1
    return _Ties(order, np.flatnonzero(first), groups)


def _centred_ranks(
    ordered: NDArray[np.float64], starts: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rank less mean rank of every group of ties, exactly 0 where all are tied, and its weight, (W, G)."""
    sizes = np.add.reduceat(ordered, starts, axis=1)
    ranks = np.cumsum(sizes, axis=1)
    half = 0.5 * ranks[:, -1:]
    ranks -= 0.5 * sizes
    ranks -= half
    return ranks, sizes
