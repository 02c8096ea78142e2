"""Agreement of predicted and measured density (Bland and Altman): bias, limits of agreement, proportional bias.

The difference is prediction - target, g/cm²; the limits are ``bias ± 1.96 SD of the differences``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.intervals import LEVEL, NO_INTERVAL, Interval
from xattn_bmd.metrics.least_squares import SlopeTest, clustered_slope

LIMIT_SDS = 1.96
"""Distance of a limit of agreement from the bias, in SDs of the differences."""

_CONSTANT = 1e-12
"""Spread of the differences, relative to their size, below which it is rounding noise."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Bias and limits of agreement, g/cm², with intervals that hold for independent radiographs.

    Attributes:
        bias: mean difference.
        sd: SD of the differences, divisor ``n - 1``.
        low: lower limit.
        high: upper limit.
        bias_interval: interval of the bias.
        low_interval: interval of the lower limit.
        high_interval: interval of the upper limit.
        n: number of radiographs.
    """

    bias: float
    sd: float
    low: float
    high: float
    bias_interval: Interval
    low_interval: Interval
    high_interval: Interval
    n: int


def bland_altman(target: ArrayLike, prediction: ArrayLike) -> Agreement:
    """Return bias and limits of agreement of one prediction per patient, with analytic intervals.

    With several radiographs per patient the analytic intervals are too narrow; use
    :func:`xattn_bmd.metrics.tables.agreement.agreement_table`, which draws patients.

    Args:
        target: (N,) g/cm².
        prediction: (N,) g/cm².

    Raises:
        MetricError: if the shapes differ, there is no radiograph, or a value is not finite.

    Example:
        >>> result = bland_altman([0.80, 0.90, 1.00], [0.83, 0.91, 0.99])
        >>> round(result.bias, 3), round(result.sd, 3), round(result.high, 4)
        (0.01, 0.02, 0.0492)
    """
    difference = np.subtract(*_paired(prediction, target))
    bias = float(difference.mean())
    sd = float(difference.std(ddof=1)) if len(difference) > 1 else float("nan")
    return agreement_from_summary(bias=bias, sd=sd, n=len(difference))


def agreement_from_summary(*, bias: float, sd: float, n: int, level: float = LEVEL) -> Agreement:
    """Return the limits of agreement and analytic intervals from bias, SD and number of differences.

    The intervals are the approximate ones of Bland and Altman (1999): Student's t with ``n - 1`` degrees of freedom
    times the standard error, ``sd / √n`` for the bias and ``sd · √(1/n + 1.96² / (2 (n - 1)))`` for a limit.

    Args:
        bias: mean difference.
        sd: SD of the differences, divisor ``n - 1``.
        n: number of independent differences.
        level: nominal coverage.

    Returns:
        The agreement; with fewer than two differences the limits and all intervals are NaN.

    Example:
        >>> result = agreement_from_summary(bias=-16.29, sd=19.61, n=85)
        >>> [round(end, 1) for end in result.low_interval]
        [-62.0, -47.5]
    """
    low, high = bias - LIMIT_SDS * sd, bias + LIMIT_SDS * sd
    of_bias = sd / math.sqrt(n)
    of_limit = sd * math.sqrt(1.0 / n + LIMIT_SDS**2 / (2.0 * (n - 1))) if n > 1 else float("nan")
    return Agreement(
        bias=bias,
        sd=sd,
        low=low,
        high=high,
        bias_interval=_around(bias, of_bias, n=n, level=level),
        low_interval=_around(low, of_limit, n=n, level=level),
        high_interval=_around(high, of_limit, n=n, level=level),
        n=n,
    )


def proportional_bias(target: ArrayLike, prediction: ArrayLike, *, patients: ArrayLike | None = None) -> SlopeTest:
    """Return the regression of the difference on the mean of prediction and target, tested against slope 0.

    Regression to the mean is expected: a model that is perfectly calibrated and explains the share ``R²`` of the
    variance has the slope ``-2 (1 - R²) / (1 + 3 R²)``, so a negative slope alone is no fault.
    The test is robust to several radiographs per patient, see :func:`xattn_bmd.metrics.least_squares.clustered_slope`.

    Args:
        target: (N,) g/cm².
        prediction: (N,) or (N, repeats) g/cm².
        patients: (N,) patient of each radiograph; each its own where None.

    Raises:
        MetricError: if the shapes do not fit or a value is not finite.

    Example:
        >>> target = [0.6, 0.7, 0.8, 0.9, 1.0, 1.1]
        >>> shrunk = [0.73, 0.74, 0.82, 0.86, 0.94, 0.98]
        >>> test = proportional_bias(target, shrunk)
        >>> round(test.slope, 2), test.p < 0.01
        (-0.59, True)
    """
    predicted = np.asarray(prediction, dtype=np.float64)
    measured = np.asarray(target, dtype=np.float64).reshape(-1, *([1] * (predicted.ndim - 1)))
    if len(measured) == len(predicted):
        measured = np.broadcast_to(measured, predicted.shape)
    measured, predicted = _paired(measured, predicted)
    owners = np.arange(len(measured)) if patients is None else patients
    return clustered_slope((predicted + measured) / 2.0, predicted - measured, clusters=owners)


def difference_terms(target: NDArray[np.float64], prediction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what each radiograph adds to the sums of bias and SD: count, difference, its square, ``(..., N, 3)``."""
    difference = prediction - target
    return np.stack([np.ones_like(difference), difference, difference**2], axis=-1)


def limits_from_sums(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return bias, SD of the differences and limits of every weighting from sums of :func:`difference_terms`.

    Args:
        sums: (..., 3).

    Returns:
        (...) of each of ``bias``, ``sd_difference``, ``loa_low`` and ``loa_high``, g/cm²; the SD and the limits are NaN
        with fewer than two radiographs.
    """
    count, total, squares = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        bias = total / count
        spread = squares - total * bias
        spread = np.where(spread > _CONSTANT * squares, spread, 0.0)
        sd = np.sqrt(spread / np.where(count > 1, count - 1.0, np.nan))
    return {
        "bias": bias,
        "sd_difference": sd,
        "loa_low": bias - LIMIT_SDS * sd,
        "loa_high": bias + LIMIT_SDS * sd,
    }


def _around(centre: float, error: float, *, n: int, level: float) -> Interval:
    from scipy.stats import t

    if n < 2:
        return NO_INTERVAL
    reach = float(t.ppf(0.5 + level / 2.0, n - 1)) * error
    return Interval(centre - reach, centre + reach)


def _paired(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.size == 0:
        raise MetricError(
            f"Targets and predictions have the same shape (N,), N > 0, but {a.shape} and {b.shape} were given; "
            "pair them."
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise MetricError("Targets and predictions are finite, but some are NaN or infinite; leave those out.")
    return a, b
