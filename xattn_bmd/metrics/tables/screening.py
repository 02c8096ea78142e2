"""Screening metrics of every model at every threshold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import WHO_THRESHOLDS, density_at
from xattn_bmd.metrics.crossfit import Calibration
from xattn_bmd.metrics.intervals import REPLICATES, Draws, Resampled, patient_draws
from xattn_bmd.metrics.pooled import pooled_average, pooled_screening
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.risk import risk
from xattn_bmd.metrics.screening import NO_RISK, SCREENING_METRICS, positive_class
from xattn_bmd.metrics.tables.layout import (
    COUNT,
    INTERVAL_COLUMNS,
    POOLED,
    frame,
    interval_reason,
    valued,
    without_interval,
)
from xattn_bmd.metrics.two_by_two import CELLS, Average, undefined_reasons

if TYPE_CHECKING:
    import pandas as pd

SCREENING_COLUMNS = (
    *("model", "threshold", "density_threshold", "reference", "positive", "metric", "average"),
    *(*INTERVAL_COLUMNS, "n", "method", "fitted_on", "reason"),
)

EITHER_CLASS = ("accuracy", "balanced_accuracy", "auroc", "brier")
"""Metrics that are the same whichever class is the positive one; their ``average`` is empty."""

BOTH_CLASSES: tuple[Average, ...] = ("macro", "weighted")


@dataclass(frozen=True, eq=False)
class _Scored:
    """One model at one threshold: its metrics, and what its rows share."""

    pooled: dict[str, Resampled]
    shared: dict[str, Any]
    fitted_on: str


def screening_table(
    predictions: pd.DataFrame,
    reference: Reference,
    *,
    thresholds: Sequence[float] = WHO_THRESHOLDS,
    calibration: Calibration | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return every screening metric of every model for low density at each threshold.

    Args:
        predictions: a predictions table, densities on the device scale of ``reference``.
        reference: the young-adult population of the T-scores.
        thresholds: different T-scores.
        calibration: rows of the inner validation parts for the Brier score; None fits on the other folds.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, threshold, metric, average) with :data:`SCREENING_COLUMNS`.  ``average`` is ``positive`` for
        metrics of low density, ``macro`` and ``weighted`` for the averages of precision, recall and F1 over both
        classes (:mod:`xattn_bmd.metrics.two_by_two`), and empty for :data:`EITHER_CLASS`.  ``fitted_on`` is what the
        risk behind the Brier score was fitted on, ``reason`` why a value or its interval is NaN.  The counts tp, fn, fp
        and tn are rows too.

    Raises:
        MetricError: if the table cannot be scored, or ``calibration`` lacks a fold.
        ConfigError: if a threshold is not a finite number.
    """
    grid = prediction_grid(predictions)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    rows = [
        row
        for model in grid.predictions
        for threshold in dict.fromkeys(thresholds)
        for row in _screening_rows(_scored(grid, model, draws, reference, threshold, calibration))
    ]
    return frame(rows, SCREENING_COLUMNS)


def without_averages(screening: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a screening table, made or read again, that are no average over both classes.

    There is one such row per (model, threshold, metric).
    """
    return screening[~screening["average"].isin(BOTH_CLASSES)]


def _scored(
    grid: PredictionGrid,
    model: str,
    draws: Draws,
    reference: Reference,
    threshold: float,
    calibration: Calibration | None,
) -> _Scored:
    shared = {
        "model": model,
        "threshold": threshold,
        "density_threshold": float(density_at(threshold, reference=reference)),
        "reference": reference.name,
        "positive": positive_class(reference=reference, threshold=threshold),
        "n": len(grid.target),
    }
    fitted = risk(grid, model=model, reference=reference, threshold=threshold, calibration=calibration)
    pooled = pooled_screening(grid, model=model, draws=draws, reference=reference, threshold=threshold, fitted=fitted)
    return _Scored(pooled, shared, fitted.on)


def _screening_rows(scored: _Scored) -> Iterator[dict[str, Any]]:
    counts = np.array([scored.pooled[cell].value for cell in CELLS])
    reasons = undefined_reasons(counts) | ({"brier": NO_RISK} if np.isnan(scored.pooled["brier"].value) else {})
    for metric in SCREENING_METRICS:
        average = "" if metric in EITHER_CLASS else "positive"
        on = scored.fitted_on if metric == "brier" else ""
        row = _metric_row(metric, scored.pooled[metric], average=average, reasons=reasons)
        yield scored.shared | row | {"fitted_on": on}
    for over in BOTH_CLASSES:
        reasons = undefined_reasons(counts, average=over)
        for metric, statistic in pooled_average(scored.pooled, average=over).items():
            row = _metric_row(metric, statistic, average=over, reasons=reasons)
            yield scored.shared | row | {"fitted_on": ""}
    for cell, count in zip(CELLS, counts, strict=True):
        row = {"metric": cell, "average": "positive", "method": COUNT, "fitted_on": "", "reason": ""}
        yield scored.shared | without_interval(float(count)) | row


def _metric_row(metric: str, statistic: Resampled, *, average: str, reasons: dict[str, str]) -> dict[str, Any]:
    reason = reasons.get(metric, "") or interval_reason(statistic)
    return valued(statistic) | {"metric": metric, "average": average, "method": POOLED, "reason": reason}
