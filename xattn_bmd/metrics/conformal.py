"""Conformal prediction intervals: widths taken from errors on radiographs that the model was not trained on.

Split conformal (Papadopoulos et al. 2002; Lei et al. 2018) with one score for all heads.  A head gives a band
``[low, high]`` and a scale ``s``; the score of a radiograph is how far its density lies outside the band,
``max(low - y, y - high) / s``, and a new interval is ``[low - Q s, high + Q s]`` with ``Q`` the finite-sample quantile
of the scores.

- point prediction: band without width and ``s = 1``, so the score is the absolute residual;
- Gaussian head: band without width and ``s`` its SD: normalised residuals;
- quantile head: band from the 5 to the 95 % quantile and ``s = 1``: conformalised quantile regression (Romano,
  Patterson and Candès 2019).

Coverage is promised where the scored radiographs are exchangeable with those that gave the scores and the model was
fitted without either; where several radiographs belong to one patient this is an approximation.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.errors import MetricError

Floats = NDArray[np.float64]

_BLOCK = 256
_ROUNDING = 1e-9


class Band(NamedTuple):
    """What a model says of each radiograph before conformal widening.

    Attributes:
        low: (N,) lower end, g/cm².
        high: (N,) upper end, g/cm².
        scale: (N,) positive unit of the scores: g/cm² for a Gaussian head, 1 for the others.
    """

    low: Floats
    high: Floats
    scale: Floats


class Ends(NamedTuple):
    """Intervals of ``N`` radiographs; infinite where too few errors are known for the level.

    Attributes:
        low: (N,) lower ends, g/cm².
        high: (N,) upper ends, g/cm².
    """

    low: Floats
    high: Floats


def band_of(prediction: Floats, given: Mapping[str, Floats]) -> Band:
    """Return the band that a model's columns make.

    Args:
        prediction: (N,) g/cm².
        given: the columns of :data:`xattn_bmd.types.HEAD_COLUMNS` that the model has, each (N,), g/cm².

    Raises:
        MetricError: if an SD is not positive, or a 5 % quantile lies above its 95 % quantile.

    Example:
        >>> band_of(np.array([0.9]), {"sd": np.array([0.1])}).scale
        array([0.1])
    """
    one = np.ones(len(prediction))
    if "sd" in given:
        _require(given["sd"] > 0, rule="The SD of a Gaussian head is positive")
        return Band(prediction, prediction, given["sd"])
    if "q05" in given and "q95" in given:
        _require(given["q05"] <= given["q95"], rule="The 5 % quantile is no larger than the 95 % quantile")
        return Band(given["q05"], given["q95"], one)
    return Band(prediction, prediction, one)


def conformity_scores(target: ArrayLike, band: Band) -> Floats:
    """Return how far each density lies outside its band, (N,), in units of the scale; negative inside.

    Args:
        target: (N,) measured density, g/cm².
        band: from :func:`band_of`.
    """
    density = np.asarray(target, dtype=np.float64)
    return np.maximum(band.low - density, density - band.high) / band.scale


def conformal_quantile(scores: ArrayLike, *, level: float) -> float:
    """Return the ``ceil((n + 1) · level)``-th smallest score; infinite where there are fewer than that.

    Args:
        scores: (M,) scores of radiographs that the model was not trained on.
        level: nominal coverage, between 0 and 1.

    Raises:
        MetricError: if the level is not between 0 and 1, or a score is NaN.

    Example:
        >>> conformal_quantile(np.arange(1, 10), level=0.9), conformal_quantile(np.arange(1, 10), level=0.95)
        (9.0, inf)
    """
    known = np.asarray(scores, dtype=np.float64)
    _require(~np.isnan(known), rule="A conformity score is a number")
    rank = _rank(len(known), level)
    return float(np.partition(known, rank - 1)[rank - 1]) if rank <= len(known) else float("inf")


def conformal_interval(band: Band, quantile: float | Floats) -> Ends:
    """Return the interval of each radiograph; one that a negative quantile turns inside out shrinks to its middle.

    Args:
        band: what the model says of ``N`` new radiographs.
        quantile: from :func:`conformal_quantile`, one for all or (N,).

    Example:
        >>> conformal_interval(Band(np.array([0.9]), np.array([0.9]), np.array([0.5])), 0.2)
        Ends(low=array([0.8]), high=array([1.]))
    """
    middle = 0.5 * (band.low + band.high)
    widening = quantile * band.scale
    return Ends(np.minimum(band.low - widening, middle), np.maximum(band.high + widening, middle))


def cv_plus_interval(
    fold_predictions: ArrayLike, residuals: ArrayLike, fold_of_residual: ArrayLike, *, level: float
) -> Ends:
    """Return CV+ intervals of new radiographs that all fold models have predicted (Barber et al. 2021).

    The upper end is the ``ceil((M + 1) · level)``-th smallest of ``prediction of i's fold model + residual of i`` over
    the ``M`` training radiographs, the lower end its mirror image.  The promise is ``2 · level - 1`` (less a term that
    falls with the size of the folds); coverage is near ``level`` in practice.

    Args:
        fold_predictions: (K, N) density of each new radiograph by each fold's model, g/cm².
        residuals: (M,) absolute out-of-fold residuals of the training radiographs, g/cm².
        fold_of_residual: (M,) row of ``fold_predictions`` whose model was fitted without that radiograph.
        level: nominal coverage, between 0 and 1.

    Raises:
        MetricError: if the level is not between 0 and 1, a residual is negative or NaN, or residuals, folds and models
            do not fit together.

    Example:
        >>> cv_plus_interval([[0.8], [1.0]], [0.1, 0.2, 0.3], [0, 0, 1], level=0.5)
        Ends(low=array([0.7]), high=array([1.]))
    """
    by_fold = np.asarray(fold_predictions, dtype=np.float64)
    size, folds = np.asarray(residuals, dtype=np.float64), np.asarray(fold_of_residual)
    _require(size >= 0, rule="A residual is absolute, zero or more")
    _check_folds(by_fold, size, folds)
    rank = _rank(len(size), level)
    if rank > len(size):
        return Ends(np.full(by_fold.shape[1], -np.inf), np.full(by_fold.shape[1], np.inf))
    ends = [_plus_ends(part[folds], size, rank) for part in _column_blocks(by_fold)]
    return Ends(np.concatenate([one.low for one in ends]), np.concatenate([one.high for one in ends]))


def _plus_ends(centres_MN: Floats, residuals: Floats, rank: int) -> Ends:
    below, above = centres_MN - residuals[:, None], centres_MN + residuals[:, None]
    mirror = len(residuals) - rank
    return Ends(np.partition(below, mirror, axis=0)[mirror], np.partition(above, rank - 1, axis=0)[rank - 1])


def _column_blocks(by_fold: Floats) -> list[Floats]:
    return [by_fold[:, start : start + _BLOCK] for start in range(0, max(by_fold.shape[1], 1), _BLOCK)]


def _rank(count: int, level: float) -> int:
    if not 0.0 < level < 1.0:
        raise MetricError(f"A level of coverage lies between 0 and 1, but {level} was given; 0.9 and 0.95 are usual.")
    # (n + 1) · level may lie a rounding error above a whole number: 100 · 0.55 is 55.00000000000001.
    return max(ceil((count + 1) * level - _ROUNDING), 1)


def _check_folds(by_fold: Floats, residuals: Floats, folds: NDArray[np.int64]) -> None:
    alike = by_fold.ndim == 2 and residuals.ndim == 1 and folds.shape == residuals.shape
    if not (alike and np.isin(folds, np.arange(len(by_fold))).all()):
        raise MetricError(
            "CV+ takes (K, N) predictions of K fold models, and of each residual the fold 0 to K - 1 that it comes "
            f"from, but {by_fold.shape} predictions, {residuals.shape} residuals and {folds.shape} folds were given; "
            "pass all fold models in the order in which the folds are numbered."
        )


def _require(holds: NDArray[np.bool_], *, rule: str) -> None:
    if not holds.all():
        raise MetricError(
            f"{rule}, but {int((~holds).sum())} of {holds.size} values break the rule; mend the table that they are "
            "from."
        )
