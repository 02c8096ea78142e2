"""Class predictions of every model: the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xattn_bmd.metrics.class_predictions import class_grid
from xattn_bmd.metrics.confusion import confusion_cells
from xattn_bmd.metrics.tables.classes import CONFUSION_COLUMNS
from xattn_bmd.metrics.tables.layout import frame

if TYPE_CHECKING:
    import pandas as pd


def class_confusion_table(predictions: pd.DataFrame, *, classes: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the confusion matrix of every model.

    Args:
        predictions: a table of class predictions (:mod:`xattn_bmd.metrics.class_predictions`).
        classes: all classes in their order; None takes those of the columns ``probability_CLASS``, in theirs.

    Returns:
        One row per (model, true class, predicted class) with
        :data:`~xattn_bmd.metrics.tables.classes.CONFUSION_COLUMNS`, also where the count is 0; ``count`` is the number
        of radiographs, the mean over repeats.

    Raises:
        MetricError: if the table cannot be scored.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"radiograph_id": ["a", "b", "c"], "patient_id": ["p", "q", "r"], "model": "cnn",
        ...     "repeat": 0, "fold": 0, "target": ["old", "old", "fresh"], "probability_old": [0.9, 0.4, 0.3],
        ...     "probability_fresh": [0.1, 0.6, 0.7]})
        >>> class_confusion_table(table)["count"].tolist()
        [1.0, 1.0, 0.0, 1.0]
    """
    grid = class_grid(predictions, classes=classes)
    names, rows = grid.classes, []
    for model, predicted in grid.predictions.items():
        true = np.broadcast_to(grid.target, predicted.shape)
        cells = confusion_cells(true, predicted, n_classes=len(names)).mean(axis=0).sum(axis=0)
        rows += [
            {"model": model, "true_class": a, "predicted_class": b, "count": float(cells[len(names) * i + j])}
            for i, a in enumerate(names)
            for j, b in enumerate(names)
        ]
    return frame(rows, CONFUSION_COLUMNS)
