"""The three result tables of a run, from its predictions alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import WHO_THRESHOLDS, density_at
from xattn_bmd.metrics.comparison import PAIRED_BOOTSTRAP, RELATIVE_METRICS, compare_paired
from xattn_bmd.metrics.intervals import REPLICATES, patient_counts, percentile_interval
from xattn_bmd.metrics.pooled import Pooled, pooled_regression, pooled_screening
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.regression import REGRESSION_METRICS, metrics_from_sums, regression_terms
from xattn_bmd.metrics.screening import SCREENING_METRICS, positive_class, undefined_reasons

if TYPE_CHECKING:
    import pandas as pd

POOLED = "pooled out-of-fold, patient bootstrap 95 %"
FOLDS = "mean and SD over folds"
COUNT = "count, mean over repeats"

METRICS_COLUMNS = ("model", "metric", "value", "low", "high", "sd", "n", "patients", "method")
SCREENING_COLUMNS = (
    *("model", "threshold", "density_threshold", "reference", "positive", "metric"),
    *("value", "low", "high", "n", "method", "reason"),
)
COMPARISON_COLUMNS = (
    *("model_a", "model_b", "metric", "test", "difference", "relative", "low", "high"),
    *("relative_low", "relative_high", "p", "n"),
)

_NAN = float("nan")


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
    counts = patient_counts(grid.n_patients, seed=seed, replicates=replicates)
    rows = [row for model in grid.predictions for row in _metric_rows(grid, model, counts)]
    return _frame(rows, METRICS_COLUMNS)


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
    counts = patient_counts(grid.n_patients, seed=seed, replicates=replicates)
    rows = [
        row
        for model in grid.predictions
        for threshold in WHO_THRESHOLDS
        for row in _screening_rows(grid, model, counts, reference, threshold)
    ]
    return _frame(rows, SCREENING_COLUMNS)


def comparisons_table(
    predictions: pd.DataFrame, *, against: str = "concat", seed: int = 0, replicates: int = REPLICATES
) -> pd.DataFrame:
    """Return every other model compared with one model, on the same draws of patients.

    Args:
        predictions: a predictions table.
        against: model b of every comparison.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model a, metric) with :data:`COMPARISON_COLUMNS`; ``relative`` is ``(a - b) / b``, so -0.167 for
        MSE is "16.7 % less".  Empty where ``against`` is not among the models.

    Raises:
        MetricError: if the table cannot be scored.
    """
    grid = prediction_grid(predictions)
    if against not in grid.predictions:
        return _frame([], COMPARISON_COLUMNS)
    counts = patient_counts(grid.n_patients, seed=seed, replicates=replicates)
    base = pooled_regression(grid, model=against, counts=counts)
    rows = [
        {"model_a": model, "model_b": against, "metric": metric, "test": PAIRED_BOOTSTRAP, "n": len(grid.target)}
        | compare_paired(pooled, base[metric], relative=metric in RELATIVE_METRICS)._asdict()
        for model in grid.predictions
        if model != against
        for metric, pooled in pooled_regression(grid, model=model, counts=counts).items()
    ]
    return _frame(rows, COMPARISON_COLUMNS)


def _metric_rows(grid: PredictionGrid, model: str, counts: NDArray[np.uint16]) -> Iterator[dict[str, Any]]:
    shared = {"model": model, "n": len(grid.target), "patients": grid.n_patients}
    for metric, pooled in pooled_regression(grid, model=model, counts=counts).items():
        low, high = percentile_interval(pooled.replicates)
        yield shared | {"metric": metric, "value": pooled.value, "low": low, "high": high, "sd": _NAN, "method": POOLED}
    folds = _fold_metrics(grid, model)
    for metric in REGRESSION_METRICS:
        values = np.array([fold[metric] for fold in folds])
        values = values[~np.isnan(values)]
        mean = float(values.mean()) if len(values) else _NAN
        sd = float(values.std(ddof=1)) if len(values) > 1 else _NAN
        yield shared | {"metric": metric, "value": mean, "low": _NAN, "high": _NAN, "sd": sd, "method": FOLDS}


def _fold_metrics(grid: PredictionGrid, model: str) -> list[dict[str, float]]:
    results = []
    for folds, prediction in zip(grid.folds, grid.predictions[model], strict=True):
        for fold in np.unique(folds):
            rows = folds == fold
            sums = regression_terms(grid.target[rows], prediction[rows]).sum(axis=0)
            results.append({name: float(value) for name, value in metrics_from_sums(sums).items()})
    return results


def _screening_rows(
    grid: PredictionGrid, model: str, counts: NDArray[np.uint16], reference: Reference, threshold: float
) -> Iterator[dict[str, Any]]:
    pooled = pooled_screening(grid, model=model, counts=counts, reference=reference, threshold=threshold)
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
        low, high = percentile_interval(pooled[metric].replicates)
        reason = reasons.get(metric, "") or _interval_reason(pooled[metric], low)
        value = {"metric": metric, "value": pooled[metric].value, "low": low, "high": high}
        yield shared | value | {"method": POOLED, "reason": reason}
    for cell, count in zip(("tp", "fn", "fp", "tn"), (tp, fn, fp, tn), strict=True):
        yield shared | {"metric": cell, "value": count, "low": _NAN, "high": _NAN, "method": COUNT, "reason": ""}


def _interval_reason(pooled: Pooled, low: float) -> str:
    if not np.isnan(low):
        return ""
    if len(pooled.replicates) == 0:
        return "no interval: a single patient cannot be resampled"
    return "no interval: too many bootstrap replicates leave the metric undefined"


def _frame(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns))
