"""Errors and agreement of predicted densities, each computable for thousands of bootstrap replicates at once.

Every metric is a function of eight sums over radiographs.  A bootstrap replicate only changes how often a radiograph
enters the sums, so all replicates are one matrix product: ``counts (R, N) @ terms (N, 8)``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.errors import MetricError

_CONSTANT = 1e-12
"""Spread, relative to the size of the values, below which they count as constant (rounding noise)."""

ERROR_METRICS = ("mse", "mae", "rmse")
"""Metrics of which less is better."""


def mse(target: ArrayLike, prediction: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the mean squared error, ``mean((prediction - target)²)``.

    Args:
        target: (N,) g/cm².
        prediction: (N,) g/cm².
        weights: (N,) non-negative weight of each radiograph; all 1 where None.

    Returns:
        Mean squared error, (g/cm²)²; NaN where there is no radiograph.

    Raises:
        MetricError: if the shapes differ or a value is not finite.

    Example:
        >>> round(mse([0.8, 0.9], [0.9, 0.9]), 4)
        0.005
    """
    return _one("mse", target, prediction, weights)


def mae(target: ArrayLike, prediction: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the mean absolute error, g/cm²; arguments and errors as :func:`mse`.

    Example:
        >>> round(mae([0.8, 0.9], [0.9, 0.9]), 3)
        0.05
    """
    return _one("mae", target, prediction, weights)


def rmse(target: ArrayLike, prediction: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the root of the mean squared error, g/cm²; arguments and errors as :func:`mse`.

    Example:
        >>> round(rmse([0.8, 0.9], [0.9, 0.9]), 4)
        0.0707
    """
    return _one("rmse", target, prediction, weights)


def r2(target: ArrayLike, prediction: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the coefficient of determination, ``1 - sum of squared errors / sum of squares about the mean target``.

    Arguments and errors as :func:`mse`; NaN with fewer than two radiographs or where all targets are equal.

    Example:
        >>> round(r2([0.7, 0.8, 0.9], [0.72, 0.8, 0.88]), 2)
        0.96
    """
    return _one("r2", target, prediction, weights)


def pearson_r(target: ArrayLike, prediction: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return Pearson's correlation of target and prediction.

    Arguments and errors as :func:`mse`; NaN with fewer than two radiographs or where either side is constant.

    Example:
        >>> round(pearson_r([0.7, 0.8, 0.9], [0.72, 0.8, 0.88]), 6)
        1.0
    """
    return _one("pearson_r", target, prediction, weights)


def ccc(target: ArrayLike, prediction: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return Lin's concordance correlation, ``2 cov / (var target + var prediction + (difference of means)²)``.

    Variances and covariance divide by the number of radiographs (Lin 1989).  It is 0 where one side is constant and NaN
    where both are, or with fewer than two radiographs.  Arguments and errors as :func:`mse`.

    Example:
        >>> round(ccc([0.7, 0.8, 0.9], [0.8, 0.9, 1.0]), 3)
        0.571
    """
    return _one("ccc", target, prediction, weights)


REGRESSION_METRICS: dict[str, Callable[..., float]] = {
    "mse": mse,
    "mae": mae,
    "rmse": rmse,
    "r2": r2,
    "pearson_r": pearson_r,
    "ccc": ccc,
}
"""Every metric of the eight sums by name: ``(target (N,), prediction (N,), *, weights=None) -> float``."""


def regression_terms(target: ArrayLike, prediction: ArrayLike) -> NDArray[np.float64]:
    """Return what each radiograph adds to the eight sums from which every metric follows.

    Both sides are first shifted by their own median, which changes no metric and keeps the sums precise.

    Args:
        target: (..., N) g/cm².
        prediction: (..., N) g/cm², same shape.

    Returns:
        (..., N, 8): count, target, prediction, their squares, their product, squared error, absolute error.

    Raises:
        MetricError: if the shapes differ or a value is not finite.
    """
    t, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if t.shape != p.shape or t.ndim == 0:
        raise MetricError(
            f"Targets and predictions have the same shape (N,), but {t.shape} and {p.shape} were given; pair them."
        )
    if not (np.isfinite(t).all() and np.isfinite(p).all()):
        raise MetricError("Targets and predictions are finite, but some are NaN or infinite; leave those out.")
    error = p - t
    t, p = _shifted(t), _shifted(p)
    return np.stack([np.ones_like(t), t, p, t * t, p * p, t * p, error * error, np.abs(error)], axis=-1)


def metrics_from_sums(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return every regression metric from weighted sums of :func:`regression_terms`.

    Args:
        sums: (..., 8).

    Returns:
        (...) of each metric of :data:`REGRESSION_METRICS`.
    """
    count, t, p, tt, pp, tp, squared, absolute = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread_t, spread_p = _spread(tt, t, count), _spread(pp, p, count)
        mean_squared = squared / count
        shared = tp - t * p / count
        correlation = shared / np.sqrt(spread_t * spread_p)
        return {
            "mse": mean_squared,
            "mae": absolute / count,
            "rmse": np.sqrt(mean_squared),
            "r2": 1.0 - squared / spread_t,
            "pearson_r": np.clip(correlation, -1.0, 1.0),
            "ccc": _concordance(spread_t, spread_p, shared=shared, squared=squared),
        }


def _one(name: str, target: ArrayLike, prediction: ArrayLike, weights: ArrayLike | None) -> float:
    terms = regression_terms(target, prediction)
    factors = np.ones(terms.shape[:-1]) if weights is None else np.asarray(weights, dtype=np.float64)
    if factors.shape != terms.shape[:-1]:
        raise MetricError(
            f"Weights have the shape of the targets, {terms.shape[:-1]}, but {factors.shape} was given; pair them."
        )
    return float(metrics_from_sums(factors @ terms)[name])


def _concordance(
    spread_t: NDArray[np.float64],
    spread_p: NDArray[np.float64],
    *,
    shared: NDArray[np.float64],
    squared: NDArray[np.float64],
) -> NDArray[np.float64]:
    # Squared errors hold both spreads and the difference of means, which the shift by the medians took from the sums:
    # squared = spread_t + spread_p - 2 shared + count · (difference of means)².
    both_constant = np.isnan(spread_t) & np.isnan(spread_p)
    return np.where(both_constant, np.nan, np.clip(2.0 * shared / (squared + 2.0 * shared), -1.0, 1.0))


def _shifted(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if values.size == 0:
        return values
    centre = np.median(values)
    shifted = values - centre
    return np.where(np.abs(shifted) <= _CONSTANT * np.abs(centre), 0.0, shifted)


def _spread(
    squares: NDArray[np.float64], total: NDArray[np.float64], count: NDArray[np.float64]
) -> NDArray[np.float64]:
    spread = squares - total * total / count
    return np.where(spread > _CONSTANT * squares, spread, np.nan)
