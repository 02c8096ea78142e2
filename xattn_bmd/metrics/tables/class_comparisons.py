"""Every model compared with one model on the same class predictions, paired over patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xattn_bmd.metrics.class_predictions import class_grid
from xattn_bmd.metrics.confusion import ALL, MACRO
from xattn_bmd.metrics.intervals import REPLICATES, patient_draws
from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP, compare_paired
from xattn_bmd.metrics.paired.holm import holm
from xattn_bmd.metrics.tables.class_metrics import AUROC, class_statistics
from xattn_bmd.metrics.tables.layout import frame

if TYPE_CHECKING:
    import pandas as pd

CLASS_COMPARISON_COLUMNS = (
    *("model_a", "model_b", "class", "metric", "test", "difference", "low", "high", "p", "p_holm", "n", "patients"),
)
COMPARED = ((MACRO, AUROC), (ALL, "accuracy"))
"""What is compared: the mean area of each class against the rest, and the share of radiographs called rightly."""


def class_comparisons_table(
    predictions: pd.DataFrame,
    *,
    against: str,
    classes: Sequence[str] | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return every other model compared with one model: difference of macro AUROC and of accuracy.

    Both models are scored on the same drawn patients, each with all radiographs, so that what makes a patient hard for
    both cancels (:func:`~xattn_bmd.metrics.paired.bootstrap.compare_paired`).  The trained models are taken as given.
    ``p_holm`` is adjusted by Holm's rule for the number of models compared, metric by metric.

    Args:
        predictions: a table of class predictions (:mod:`xattn_bmd.metrics.class_predictions`).
        against: model b of every comparison.
        classes: all classes in their order; None takes those of the columns ``probability_CLASS``, in theirs.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model a, metric) with :data:`CLASS_COMPARISON_COLUMNS`; ``difference`` is a minus b with a
        percentile interval.  Empty where ``against`` is not among the models.

    Raises:
        MetricError: if the table cannot be scored.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"radiograph_id": ["a", "b", "c"] * 2, "patient_id": ["p", "q", "r"] * 2,
        ...     "model": ["m"] * 3 + ["n"] * 3, "repeat": 0, "fold": 0, "target": ["old", "old", "fresh"] * 2,
        ...     "probability_old": [0.9, 0.8, 0.3, 0.9, 0.4, 0.3], "probability_fresh": [0.1, 0.2, 0.7, 0.1, 0.6, 0.7]})
        >>> found = class_comparisons_table(table, against="n", replicates=100)
        >>> found.set_index("metric")["difference"].round(3).to_dict()
        {'auroc': 0.0, 'accuracy': 0.333}
    """
    grid = class_grid(predictions, classes=classes)
    if against not in grid.predictions:
        return frame([], CLASS_COMPARISON_COLUMNS)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    base = class_statistics(grid, against, draws)
    shared = {"model_b": against, "test": PAIRED_BOOTSTRAP, "n": len(grid.target), "patients": grid.n_patients}
    rows = []
    for model in (name for name in grid.predictions if name != against):
        found = class_statistics(grid, model, draws)
        for key in COMPARED:
            compared = compare_paired(found[key], base[key], relative=False)._asdict()
            rows.append(shared | {"model_a": model, "class": key[0], "metric": key[1]} | compared)
    table = frame(rows, CLASS_COMPARISON_COLUMNS)
    adjusted = table.groupby("metric", sort=False)["p"].transform(holm) if len(table) else table["p"]
    return table.assign(p_holm=adjusted.astype(np.float64))
