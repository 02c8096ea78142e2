"""Who changes class when a model is used in place of another one."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.scale import scale_of
from xattn_bmd.metrics.intervals import REPLICATES, patient_draws
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.reclassification import pooled_reclassification, reclassification_counts
from xattn_bmd.metrics.tables.layout import INTERVAL_COLUMNS, frame, valued

if TYPE_CHECKING:
    import pandas as pd

RECLASSIFICATION_COLUMNS = ("model_a", "model_b", "true_class", "class_a", "class_b", "count")
RECLASSIFICATION_SUMMARY_COLUMNS = ("model_a", "model_b", "metric", *INTERVAL_COLUMNS, "n")


def reclassification_table(predictions: pd.DataFrame, reference: Reference, *, against: str = "concat") -> pd.DataFrame:
    """Return, for every other model and one model, how many radiographs have which true and predicted classes.

    Args:
        predictions: a predictions table, densities on the device scale of ``reference``.
        reference: the young-adult population of the T-scores.
        against: model b of every pair.

    Returns:
        One row per (model a, true class, class by a, class by b) with :data:`RECLASSIFICATION_COLUMNS`, also where the
        count is 0; ``count`` is the number of radiographs, the mean over repeats.  Empty where ``against`` is not among
        the models.

    Raises:
        MetricError: if the table cannot be scored.
    """
    grid, names = prediction_grid(predictions), scale_of(reference).classes
    rows = []
    for model in _others(list(grid.predictions), against):
        counts = reclassification_counts(grid, model_a=model, model_b=against, reference=reference)
        for (true, class_a, class_b), count in zip(product(names, repeat=3), counts.ravel(), strict=True):
            classes = {"true_class": true, "class_a": class_a, "class_b": class_b}
            rows.append({"model_a": model, "model_b": against, **classes, "count": float(count)})
    return frame(rows, RECLASSIFICATION_COLUMNS)


def reclassification_summary_table(
    predictions: pd.DataFrame,
    reference: Reference,
    *,
    against: str = "concat",
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return the share of radiographs whose class changes, and whether towards the true one.

    Args:
        predictions: a predictions table, densities on the device scale of ``reference``.
        reference: the young-adult population of the T-scores.
        against: model b of every pair.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model a, metric) with :data:`RECLASSIFICATION_SUMMARY_COLUMNS`: ``share_reclassified``, ``better``
        and ``worse`` (class of a closer to, or further from, the true one than that of b) and ``net`` = better - worse.
        Empty where ``against`` is not among the models.

    Raises:
        MetricError: if the table cannot be scored.
    """
    grid = prediction_grid(predictions)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    rows = [
        {"model_a": model, "model_b": against, "metric": metric, "n": len(grid.target)} | valued(statistic)
        for model in _others(list(grid.predictions), against)
        for metric, statistic in pooled_reclassification(
            grid, model_a=model, model_b=against, draws=draws, reference=reference
        ).items()
    ]
    return frame(rows, RECLASSIFICATION_SUMMARY_COLUMNS)


def _others(models: list[str], against: str) -> list[str]:
    return [model for model in models if model != against] if against in models else []
