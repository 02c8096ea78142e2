"""Class predictions of every model: rates and areas of each class against the rest, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.metrics.auroc import weighted_auroc
from xattn_bmd.metrics.class_predictions import ClassGrid, class_grid
from xattn_bmd.metrics.confusion import (
    MACRO,
    confusion_cells,
    one_against_rest_accuracy,
    rates_from_cells,
    undefined_class_rates,
)
from xattn_bmd.metrics.intervals import (
    REPLICATES,
    Draws,
    Resampled,
    patient_draws,
    resample,
    split_draws,
    sums_of_draws,
)
from xattn_bmd.metrics.tables.layout import INTERVAL_COLUMNS, frame, interval_reason, valued

if TYPE_CHECKING:
    import pandas as pd

CLASS_METRICS_COLUMNS = ("model", "class", "metric", *INTERVAL_COLUMNS, "n", "patients", "reason")
AUROC = "auroc"


def class_metrics_table(
    predictions: pd.DataFrame,
    *,
    classes: Sequence[str] | None = None,
    ordered: bool = False,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return how well every model tells classes apart.

    Every radiograph counts once: what it adds to the confusion matrix is the mean over repeats, and an area is the mean
    of the repeats' areas.  Intervals draw patients, each with all radiographs.

    Args:
        predictions: a table of class predictions (:mod:`xattn_bmd.metrics.class_predictions`).
        classes: all classes in their order; None takes those of the columns ``probability_CLASS``, in theirs.
        ordered: whether the order means something; adds the quadratic weighted kappa.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, class, metric) with :data:`CLASS_METRICS_COLUMNS`.  Each class against the rest, and their
        plain mean ``macro``: ``auroc`` of the class's probability, ``accuracy``, sensitivity, specificity, precision
        and F1.  Of ``all`` classes together: accuracy, kappa and, where ``ordered``, ``weighted_kappa``.  ``reason``
        says why a value (:mod:`xattn_bmd.metrics.confusion`) or its interval is NaN.

    Raises:
        MetricError: if the table cannot be scored.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"radiograph_id": ["a", "b", "c"], "patient_id": ["p", "q", "r"], "model": "cnn",
        ...     "repeat": 0, "fold": 0, "target": ["old", "old", "fresh"], "probability_old": [0.9, 0.4, 0.3],
        ...     "probability_fresh": [0.1, 0.6, 0.7]})
        >>> found = class_metrics_table(table, replicates=100).set_index(["class", "metric"])["value"]
        >>> [round(float(found[key]), 3) for key in (("fresh", "auroc"), ("fresh", "precision"), ("all", "accuracy"))]
        [1.0, 0.5, 0.667]
    """
    grid = class_grid(predictions, classes=classes)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    rows = [row for model in grid.predictions for row in class_rows(grid, model, draws)]
    table = frame(rows, CLASS_METRICS_COLUMNS)
    return table if ordered else table[table["metric"] != "weighted_kappa"].reset_index(drop=True)


def class_statistics(grid: ClassGrid, model: str, draws: Draws) -> dict[tuple[str, str], Resampled]:
    """Return every metric of one model by (class, metric), with its bootstrap.

    Args:
        grid: class predictions.
        model: one of its models.
        draws: draws of its patients.
    """
    sums = _drawn_cells(grid, model, draws)
    rates = one_against_rest_accuracy(sums, classes=grid.classes) | rates_from_cells(sums, classes=grid.classes)
    return _areas(grid, model, draws) | {key: split_draws(values, draws) for key, values in rates.items()}


def _drawn_cells(grid: ClassGrid, model: str, draws: Draws) -> NDArray[np.float64]:
    predicted = grid.predictions[model]
    cells = confusion_cells(np.broadcast_to(grid.target, predicted.shape), predicted, n_classes=len(grid.classes))
    return sums_of_draws(cells.mean(axis=0), draws, grid.patients)


def class_rows(grid: ClassGrid, model: str, draws: Draws) -> Iterator[dict[str, Any]]:
    """Yield the rows of :func:`class_metrics_table` of one model; arguments as above."""
    reasons = undefined_class_rates(_drawn_cells(grid, model, draws)[0], classes=grid.classes)
    found = class_statistics(grid, model, draws)
    shared = {"model": model, "n": len(grid.target), "patients": grid.n_patients}
    for (name, metric), statistic in found.items():
        absent = reasons.get((name, "sensitivity")) or reasons.get((name, "specificity")) or ""
        reason = absent if metric == AUROC else reasons.get((name, metric), "")
        yield (
            shared
            | {"class": name, "metric": metric, "reason": reason or interval_reason(statistic)}
            | valued(statistic)
        )


def _areas(grid: ClassGrid, model: str, draws: Draws) -> dict[tuple[str, str], Resampled]:
    """Return the area of each class against the rest, and their plain mean."""
    each = {name: _area(grid, model, code, draws) for code, name in enumerate(grid.classes)}
    parts = list(each.values())
    macro = Resampled(
        float(np.mean([part.value for part in parts])),
        np.mean([part.replicates for part in parts], axis=0),
        np.mean([part.left_out for part in parts], axis=0),
    )
    return {(name, AUROC): area for name, area in each.items()} | {(MACRO, AUROC): macro}


def _area(grid: ClassGrid, model: str, code: int, draws: Draws) -> Resampled:
    positive, scores = grid.target == code, grid.probabilities[model][..., code]
    return resample(
        lambda weights: np.mean([weighted_auroc(positive, repeat, weights) for repeat in scores], axis=0),
        draws,
        grid.patients,
    )
