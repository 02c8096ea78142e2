"""The three classes of density of every model: rates of each class, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.scale import scale_of
from xattn_bmd.metrics.classification import who_codes
from xattn_bmd.metrics.confusion import confusion_cells, rates_from_cells, undefined_class_rates
from xattn_bmd.metrics.intervals import REPLICATES, Draws, patient_draws, split_draws
from xattn_bmd.metrics.pooled import drawn_sums
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.tables.layout import INTERVAL_COLUMNS, frame, interval_reason, valued

if TYPE_CHECKING:
    import pandas as pd

CLASSES_COLUMNS = ("model", "class", "metric", *INTERVAL_COLUMNS, "n", "reason")
CONFUSION_COLUMNS = ("model", "true_class", "predicted_class", "count")


def classes_table(
    predictions: pd.DataFrame, reference: Reference, *, seed: int = 0, replicates: int = REPLICATES
) -> pd.DataFrame:
    """Return how well every model tells the classes of density apart.

    Args:
        predictions: a predictions table, densities on the device scale of ``reference``.
        reference: the young-adult population of the T-scores.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, class, metric) with :data:`CLASSES_COLUMNS`: sensitivity, specificity, precision and F1 of
        each class and of ``macro``; accuracy, kappa and quadratic weighted kappa of ``all``.  ``reason`` says why a
        value (:mod:`xattn_bmd.metrics.confusion`) or its interval is NaN.

    Raises:
        MetricError: if the table cannot be scored.
    """
    grid = prediction_grid(predictions)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    rows = [row for model in grid.predictions for row in _class_rows(grid, model, draws, reference)]
    return frame(rows, CLASSES_COLUMNS)


def confusion_table(predictions: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    """Return the confusion matrix of the classes of density of every model.

    Args:
        predictions: a predictions table, densities on the device scale of ``reference``.
        reference: the young-adult population of the T-scores.

    Returns:
        One row per (model, true class, predicted class) with :data:`CONFUSION_COLUMNS`, also where the count is 0;
        ``count`` is the number of radiographs, the mean over repeats.

    Raises:
        MetricError: if the table cannot be scored.
    """
    grid, classes = prediction_grid(predictions), scale_of(reference).classes
    rows = [
        {"model": model, "true_class": true, "predicted_class": predicted, "count": float(count)}
        for model in grid.predictions
        for true, counts in zip(classes, _cells(grid, model, reference).sum(axis=0).reshape(3, 3), strict=True)
        for predicted, count in zip(classes, counts, strict=True)
    ]
    return frame(rows, CONFUSION_COLUMNS)


def _class_rows(grid: PredictionGrid, model: str, draws: Draws, reference: Reference) -> Iterator[dict[str, Any]]:
    classes = scale_of(reference).classes
    sums = drawn_sums(grid, _cells(grid, model, reference), draws)
    reasons = undefined_class_rates(sums[0], classes=classes)
    for (name, metric), values in rates_from_cells(sums, classes=classes).items():
        statistic = split_draws(values, draws)
        reason = reasons.get((name, metric), "") or interval_reason(statistic)
        row = {"model": model, "class": name, "metric": metric, "n": len(grid.target), "reason": reason}
        yield row | valued(statistic)


def _cells(grid: PredictionGrid, model: str, reference: Reference) -> NDArray[np.float64]:
    """Return what each radiograph adds to the nine cells, the mean over repeats, (N, 9)."""
    true = who_codes(grid.target, reference=reference)
    predicted = who_codes(grid.predictions[model], reference=reference)
    return np.asarray(confusion_cells(true, predicted, n_classes=len(scale_of(reference).classes)).mean(axis=0))
