"""Agreement and calibration of every model, with patient-bootstrap intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from xattn_bmd.metrics.agreement import difference_terms, limits_from_sums, proportional_bias
from xattn_bmd.metrics.calibration import Recalibration, calibration_from_sums, recalibrated
from xattn_bmd.metrics.crossfit import Calibration, FoldFit
from xattn_bmd.metrics.intervals import REPLICATES, Draws, Resampled, patient_draws, split_draws
from xattn_bmd.metrics.least_squares import line_from_sums, line_terms
from xattn_bmd.metrics.pooled import drawn_sums, pooled_regression
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.tables.layout import INTERVAL_COLUMNS, NAN, frame, valued, without_interval

if TYPE_CHECKING:
    import pandas as pd

AGREEMENT_COLUMNS = ("model", "metric", *INTERVAL_COLUMNS, "p", "n", "patients", "fitted_on")
RECALIBRATED_METRICS = ("mae", "rmse", "r2")
NOT_FITTED = "nothing: a single fold and no calibration.csv"


def agreement_table(
    predictions: pd.DataFrame,
    *,
    calibration: Calibration | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return bias, limits of agreement, proportional bias and calibration of every model.

    Sums are pooled as in :mod:`xattn_bmd.metrics.pooled`, intervals draw patients.  ``p`` is given for
    ``proportional_slope`` only (difference regressed on mean, cluster-robust by patient).  The ``recalibrated`` metrics
    are of predictions recalibrated fold by fold on rows that are not scored; their intervals take the lines as given.

    Args:
        predictions: a predictions table.
        calibration: rows of the inner validation parts; None recalibrates on the other folds.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, metric) with :data:`AGREEMENT_COLUMNS`, g/cm² except slopes and R²; ``fitted_on`` says what
        a recalibration was fitted on, and in how many folds it could be a shift only.

    Raises:
        MetricError: if the table cannot be scored, or ``calibration`` lacks a fold.
    """
    grid = prediction_grid(predictions)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    rows = [row for model in grid.predictions for row in _model_rows(grid, model, draws, calibration)]
    return frame(rows, AGREEMENT_COLUMNS)


def pooled_agreement(grid: PredictionGrid, *, model: str, draws: Draws) -> dict[str, Resampled]:
    """Return bias, limits, proportional slope and calibration of a model.

    Args:
        grid: the predictions.
        model: one of its models.
        draws: from :func:`xattn_bmd.metrics.intervals.patient_draws`.
    """
    prediction = grid.predictions[model]
    target = np.broadcast_to(grid.target, prediction.shape)
    groups = (
        difference_terms(target, prediction),
        line_terms((prediction + target) / 2.0, prediction - target),
        line_terms(prediction, target),
    )
    sums = drawn_sums(grid, np.concatenate(groups, axis=-1).mean(axis=0), draws)
    values = limits_from_sums(sums[:, :3])
    values |= {"proportional_slope": line_from_sums(sums[:, 3:8]).slope}
    values |= calibration_from_sums(sums[:, 8:])
    return {name: split_draws(each, draws) for name, each in values.items()}


def _model_rows(
    grid: PredictionGrid, model: str, draws: Draws, calibration: Calibration | None
) -> Iterator[dict[str, Any]]:
    shared = {"model": model, "n": len(grid.target), "patients": grid.n_patients, "p": NAN, "fitted_on": ""}
    test = proportional_bias(grid.target, grid.predictions[model].T, patients=grid.patients)
    for metric, pooled in pooled_agreement(grid, model=model, draws=draws).items():
        p = test.p if metric == "proportional_slope" else NAN
        yield shared | valued(pooled) | {"metric": metric, "p": p}
    after, fits = recalibrated(grid, model=model, calibration=calibration)
    scored = pooled_regression(after, model=model, draws=draws) if fits else {}
    for metric in RECALIBRATED_METRICS:
        cells = valued(scored[metric]) if fits else without_interval(NAN)
        yield shared | cells | {"metric": f"recalibrated_{metric}", "fitted_on": _fitted_on(fits)}


def _fitted_on(fits: list[FoldFit[Recalibration]]) -> str:
    if not fits:
        return NOT_FITTED
    shifted = Counter(fit.fitted.reason for fit in fits if fit.fitted.reason)
    reasons = [f"; shifted only in {count} of {len(fits)} fits: {reason}" for reason, count in shifted.items()]
    return "".join([fits[0].on, *reasons])
