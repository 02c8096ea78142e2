"""ROC and precision-recall curves of every model at every threshold, with bands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import WHO_THRESHOLDS
from xattn_bmd.metrics.curves import pooled_curves
from xattn_bmd.metrics.intervals import REPLICATES, Draws, patient_draws
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.screening import low_density
from xattn_bmd.metrics.tables.layout import frame

if TYPE_CHECKING:
    import pandas as pd

CURVES_COLUMNS = ("model", "threshold", "curve", "x", "y", "low", "high")


def curves_table(
    predictions: pd.DataFrame, reference: Reference, *, seed: int = 0, replicates: int = REPLICATES
) -> pd.DataFrame:
    """Return the ROC and the precision-recall curve of every model at T = -1 and T = -2.5.

    Args:
        predictions: a predictions table, densities on the device scale of ``reference``.
        reference: the young-adult population of the T-scores.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, threshold, curve, x) with :data:`CURVES_COLUMNS`: for ``roc`` x is the false-positive rate
        and y the sensitivity, for ``precision_recall`` x is the recall and y the precision; low and high are pointwise
        95 % percentile bands.  A threshold at which only one class occurs has no curve.

    Raises:
        MetricError: if the table cannot be scored.
    """
    grid = prediction_grid(predictions)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    rows = [
        row
        for model in grid.predictions
        for threshold in WHO_THRESHOLDS
        for row in _curve_rows(grid, model, draws, reference, threshold)
    ]
    return frame(rows, CURVES_COLUMNS)


def _curve_rows(
    grid: PredictionGrid, model: str, draws: Draws, reference: Reference, threshold: float
) -> Iterator[dict[str, Any]]:
    if len(np.unique(low_density(grid.target, reference=reference, threshold=threshold))) < 2:
        return
    curves = pooled_curves(grid, model=model, draws=draws, reference=reference, threshold=threshold)
    for kind, band in curves.items():
        for x, y, low, high in zip(*band, strict=True):
            yield {
                "model": model,
                "threshold": threshold,
                "curve": kind,
                **{"x": float(x), "y": float(y), "low": float(low), "high": float(high)},
            }
