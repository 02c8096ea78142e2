"""Screening metrics of every model at every threshold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import WHO_THRESHOLDS, density_at
from xattn_bmd.metrics.intervals import REPLICATES, Draws, patient_draws
from xattn_bmd.metrics.pooled import pooled_screening
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.screening import SCREENING_METRICS, positive_class, undefined_reasons
from xattn_bmd.metrics.tables.layout import (
    COUNT,
    INTERVAL_COLUMNS,
    POOLED,
    frame,
    interval_reason,
    valued,
    without_interval,
)

if TYPE_CHECKING:
    import pandas as pd

SCREENING_COLUMNS = (
    *("model", "threshold", "density_threshold", "reference", "positive", "metric"),
    *(*INTERVAL_COLUMNS, "n", "method", "reason"),
)


def screening_table(
    predictions: pd.DataFrame, reference: Reference, *, seed: int = 0, replicates: int = REPLICATES
) -> pd.DataFrame:
    """Return every screening metric of every model at T = -1 and T = -2.5.

    Args:
        predictions: a predictions table, densities on the device scale of ``reference``.
        reference: the young-adult population of the T-scores.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, threshold, metric) with :data:`SCREENING_COLUMNS`; ``positive`` says which class is found,
        ``reason`` why a value or its interval is NaN.  The counts tp, fn, fp and tn are rows too.

    Raises:
        MetricError: if the table cannot be scored.
    """
    grid = prediction_grid(predictions)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    rows = [
        row
        for model in grid.predictions
        for threshold in WHO_THRESHOLDS
        for row in _screening_rows(grid, model, draws, reference, threshold)
    ]
    return frame(rows, SCREENING_COLUMNS)


def _screening_rows(
    grid: PredictionGrid, model: str, draws: Draws, reference: Reference, threshold: float
) -> Iterator[dict[str, Any]]:
    pooled = pooled_screening(grid, model=model, draws=draws, reference=reference, threshold=threshold)
    tp, fn, fp, tn = (pooled[cell].value for cell in ("tp", "fn", "fp", "tn"))
    reasons = undefined_reasons(low=tp + fn, not_low=fp + tn, called=tp + fp)
    shared = {
        "model": model,
        "threshold": threshold,
        "density_threshold": float(density_at(threshold, reference=reference)),
        "reference": reference.name,
        "positive": positive_class(reference=reference, threshold=threshold),
        "n": len(grid.target),
    }
    for metric in SCREENING_METRICS:
        reason = reasons.get(metric, "") or interval_reason(pooled[metric])
        yield shared | valued(pooled[metric]) | {"metric": metric, "method": POOLED, "reason": reason}
    for cell, count in zip(("tp", "fn", "fp", "tn"), (tp, fn, fp, tn), strict=True):
        yield shared | without_interval(count) | {"metric": cell, "method": COUNT, "reason": ""}
