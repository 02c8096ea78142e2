"""A straight line through radiographs by least squares, and a test of its slope that respects patients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.errors import MetricError

_CONSTANT = 1e-12
"""Spread of x, relative to the size of the values, below which they count as constant (rounding noise)."""


class Line(NamedTuple):
    """The line ``y = intercept + slope · x``; both are arrays where many weightings were fitted at once."""

    intercept: NDArray[np.float64]
    slope: NDArray[np.float64]


class SlopeTest(NamedTuple):
    """A slope tested against 0.

    Attributes:
        slope: change of y per unit of x.
        standard_error: robust to unequal spread and to the likeness of rows of one cluster.
        p: two-sided, from Student's t with ``clusters - 1`` degrees of freedom.
    """

    slope: float
    standard_error: float
    p: float


def line_terms(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what each radiograph adds to the sums of a line: count, x, y, x² and x·y, ``(..., N, 5)``."""
    return np.stack([np.ones_like(x), x, y, x * x, x * y], axis=-1)


def line_from_sums(sums: NDArray[np.float64]) -> Line:
    """Return the least-squares line of every weighting from sums of :func:`line_terms`, ``(..., 5)``.

    It is NaN where x is constant, which includes fewer than two radiographs.

    Example:
        >>> line = line_from_sums(line_terms(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0])).sum(axis=0))
        >>> float(line.intercept), float(line.slope)
        (1.0, 2.0)
    """
    count, x, y, xx, xy = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = xx - x * x / count
        slope = (xy - x * y / count) / np.where(spread > _CONSTANT * xx, spread, np.nan)
        return Line((y - slope * x) / count, slope)


def clustered_slope(x: ArrayLike, y: ArrayLike, *, clusters: ArrayLike) -> SlopeTest:
    """Return the least-squares slope with a cluster-robust test that it is 0.

    The variance is the sandwich over clusters (Liang and Zeger 1986) times ``G / (G - 1) · (N - 1) / (N - 2)`` for
    ``N`` rows in ``G`` clusters.  With one row per cluster it is robust to unequal spread only.

    Args:
        x: (N,) or (N, repeats); with repeats each row's contributions are averaged, so ``N`` stays what was measured.
        y: same shape as ``x``.
        clusters: (N,) cluster (patient) of each row, of any type.

    Returns:
        The test; p is NaN with fewer than three clusters or where x is constant.

    Raises:
        MetricError: if the shapes do not fit.

    Example:
        >>> test = clustered_slope([1.0, 2.0, 3.0, 4.0], [1.1, 1.9, 3.2, 3.9], clusters=["a", "b", "c", "d"])
        >>> round(test.slope, 2), test.p < 0.01
        (0.97, True)
    """
    xs, ys, owners = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), np.asarray(clusters)
    if xs.shape != ys.shape or xs.ndim not in (1, 2) or owners.shape != xs.shape[:1]:
        raise MetricError(
            "A slope needs x and y of one shape (N,) or (N, repeats) and a cluster for each row, but "
            f"{xs.shape}, {ys.shape} and {owners.shape} were given; pair them."
        )
    xs, ys = xs.reshape(len(xs), -1), ys.reshape(len(ys), -1)
    line = line_from_sums(line_terms(xs, ys).mean(axis=1).sum(axis=0))
    names, codes = np.unique(owners, return_inverse=True)
    slope, rows, groups = float(line.slope), len(xs), len(names)
    if np.isnan(slope) or groups < 3:
        return SlopeTest(slope, float("nan"), float("nan"))
    centred = xs - xs.mean()
    scores = np.bincount(codes, weights=(centred * (ys - line.intercept - slope * xs)).mean(axis=1))
    correction = groups / (groups - 1) * (rows - 1) / (rows - 2)
    error = float(np.sqrt(correction * (scores**2).sum()) / (centred**2).mean(axis=1).sum())
    return SlopeTest(slope, error, _two_sided_p(slope, error, degrees=groups - 1))


def _two_sided_p(value: float, error: float, *, degrees: int) -> float:
    from scipy.stats import t

    if error > 0.0:
        return float(2.0 * t.sf(abs(value) / error, degrees))
    return float("nan")
