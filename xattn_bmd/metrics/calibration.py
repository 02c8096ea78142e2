"""Calibration of predicted densities: observed regressed on predicted, and recalibration by that line.

Perfect calibration is a mean error of 0, a slope of 1 and an intercept of 0 (Van Calster 2019, BMC Medicine 17:230).  A
slope below 1 means that the predictions are too far apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.metrics.crossfit import Calibration, FittingRows, FoldFit, crossfit
from xattn_bmd.metrics.least_squares import line_from_sums, line_terms

if TYPE_CHECKING:
    from xattn_bmd.metrics.predictions import PredictionGrid

MIN_ROWS = 3
"""Fewest rows through which a line is put."""


@dataclass(frozen=True, kw_only=True)
class Recalibration:
    """The line ``density = intercept + slope · prediction``.

    Attributes:
        intercept: g/cm².
        slope: 1 where the prediction is only shifted.
        residual_sd: SD of what the line leaves of the fitting rows, g/cm²; NaN where there are too few.
        reason: why it is only a shift, or nothing; empty for a fitted line.
    """

    intercept: float
    slope: float
    residual_sd: float
    reason: str = ""

    def __call__(self, prediction: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return recalibrated predictions, g/cm², in the shape of ``prediction``."""
        return self.intercept + self.slope * prediction


def calibration_from_sums(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the calibration of every weighting from sums of ``line_terms(prediction, target)``.

    Args:
        sums: (..., 5), see :func:`xattn_bmd.metrics.least_squares.line_terms`.

    Returns:
        (...) of each of ``calibration_in_the_large`` (mean of target - prediction, g/cm²), ``calibration_slope`` and
        ``calibration_intercept`` (g/cm², of observed on predicted); the last two are NaN for constant predictions.

    Example:
        >>> sums = line_terms(np.array([0.7, 0.8, 0.9]), np.array([0.6, 0.8, 1.0])).sum(axis=0)
        >>> {name: round(float(value), 6) + 0.0 for name, value in calibration_from_sums(sums).items()}
        {'calibration_in_the_large': 0.0, 'calibration_slope': 2.0, 'calibration_intercept': -0.8}
    """
    line = line_from_sums(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        in_the_large = (sums[..., 2] - sums[..., 1]) / sums[..., 0]
    return {
        "calibration_in_the_large": in_the_large,
        "calibration_slope": line.slope,
        "calibration_intercept": line.intercept,
    }


def fit_recalibration(rows: FittingRows) -> Recalibration:
    """Return the least-squares line of target on prediction.

    Where the predictions are constant or there are fewer than three rows, predictions are only shifted by the mean
    error; without any row they stay as they are.  ``reason`` says so.

    Args:
        rows: what may be fitted on.

    Example:
        >>> fitted = fit_recalibration(FittingRows(np.array([0.6, 0.8, 1.0]), np.array([0.7, 0.8, 0.9])))
        >>> round(fitted.slope, 6), round(fitted.intercept, 6), round(fitted.residual_sd, 6)
        (2.0, -0.8, 0.0)
    """
    target, prediction = rows.target, rows.prediction
    if len(target) == 0:
        return Recalibration(intercept=0.0, slope=1.0, residual_sd=float("nan"), reason="no row to fit on")
    if len(target) < MIN_ROWS:
        return _shift(rows, reason=f"fewer than {MIN_ROWS} rows to fit on")
    line = line_from_sums(line_terms(prediction, target).sum(axis=0))
    if np.isnan(line.slope):
        return _shift(rows, reason="the predictions to fit on are constant")
    residuals = target - line.intercept - line.slope * prediction
    residual_sd = float(np.sqrt((residuals**2).sum() / (len(target) - 2)))
    return Recalibration(intercept=float(line.intercept), slope=float(line.slope), residual_sd=residual_sd)


def recalibrated(
    grid: PredictionGrid, *, model: str, calibration: Calibration | None = None
) -> tuple[PredictionGrid, list[FoldFit[Recalibration]]]:
    """Return the grid of one model's recalibrated predictions, each fold by a line that never saw it.

    Args:
        grid: the predictions.
        model: one of its models.
        calibration: rows of the inner validation parts; None fits on the other folds.

    Returns:
        The grid with that model only, and the fits; without any fit the predictions are NaN.

    Raises:
        MetricError: if ``calibration`` lacks a fold of the model.
    """
    fits = crossfit(grid, model=model, fit=fit_recalibration, calibration=calibration)
    after = np.full(grid.predictions[model].shape, np.nan)
    for fit in fits:
        after[fit.repeat, fit.rows] = fit.fitted(grid.predictions[model][fit.repeat, fit.rows])
    return replace(grid, predictions={model: after}, given={}), fits


def _shift(rows: FittingRows, *, reason: str) -> Recalibration:
    error = rows.target - rows.prediction
    sd = float(error.std(ddof=1)) if len(error) > 1 else float("nan")
    return Recalibration(intercept=float(error.mean()), slope=1.0, residual_sd=sd, reason=reason)
