"""Regression metrics of every model, pooled and by fold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.metrics.intervals import REPLICATES, Draws, patient_draws
from xattn_bmd.metrics.pooled import fold_sums, pooled_regression, pooled_spearman, scored_folds
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.ranks import spearman_r
from xattn_bmd.metrics.regression import metrics_from_sums
from xattn_bmd.metrics.tables.layout import FOLDS, INTERVAL_COLUMNS, NAN, POOLED, frame, valued, without_interval

if TYPE_CHECKING:
    import pandas as pd

METRICS_COLUMNS = ("model", "metric", *INTERVAL_COLUMNS, "sd", "n", "patients", "method")
METRICS = ("mse", "mae", "rmse", "r2", "pearson_r", "spearman_r", "ccc")
"""Metrics of the table, in order."""


def metrics_table(predictions: pd.DataFrame, *, seed: int = 0, replicates: int = REPLICATES) -> pd.DataFrame:
    """Return every regression metric of every model, twice.

    Rows with method :data:`POOLED` hold the metric over all out-of-fold predictions with its patient-bootstrap interval
    in ``low`` and ``high`` (repeats: see :mod:`xattn_bmd.metrics.pooled`).  Rows with method :data:`FOLDS` hold the
    mean over the folds of all repeats, and in ``sd`` the SD between folds, which is no interval of the mean.

    Args:
        predictions: a predictions table.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, metric, method) with :data:`METRICS_COLUMNS`; ``n`` counts radiographs.

    Raises:
        MetricError: if the table cannot be scored.
    """
    grid = prediction_grid(predictions)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    rows = [row for model in grid.predictions for row in _metric_rows(grid, model, draws)]
    return frame(rows, METRICS_COLUMNS)


def _metric_rows(grid: PredictionGrid, model: str, draws: Draws) -> Iterator[dict[str, Any]]:
    shared = {"model": model, "n": len(grid.target), "patients": grid.n_patients}
    pooled = pooled_regression(grid, model=model, draws=draws)
    pooled["spearman_r"] = pooled_spearman(grid, model=model, draws=draws)
    for metric in METRICS:
        yield shared | valued(pooled[metric]) | {"metric": metric, "sd": NAN, "method": POOLED}
    folds = _fold_metrics(grid, model)
    for metric in METRICS:
        values = folds[metric][~np.isnan(folds[metric])]
        mean = float(values.mean()) if len(values) else NAN
        sd = float(values.std(ddof=1)) if len(values) > 1 else NAN
        yield shared | without_interval(mean) | {"metric": metric, "sd": sd, "method": FOLDS}


def _fold_metrics(grid: PredictionGrid, model: str) -> dict[str, NDArray[np.float64]]:
    """Return every metric in each fold of each repeat, (R,)."""
    ranked = [
        spearman_r(grid.target[rows], grid.predictions[model][repeat][rows]) for repeat, rows in scored_folds(grid)
    ]
    return metrics_from_sums(fold_sums(grid, model=model)) | {"spearman_r": np.array(ranked)}
