"""Every model compared with one model, on the same draws of patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.metrics.intervals import REPLICATES, patient_draws
from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP, RELATIVE_METRICS, compare_paired
from xattn_bmd.metrics.pooled import pooled_regression
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.tables.layout import frame

if TYPE_CHECKING:
    import pandas as pd

COMPARISON_COLUMNS = (
    *("model_a", "model_b", "metric", "test", "difference", "relative", "low", "high"),
    *("relative_low", "relative_high", "p", "n"),
)


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
        return frame([], COMPARISON_COLUMNS)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    base = pooled_regression(grid, model=against, draws=draws)
    rows = [
        {"model_a": model, "model_b": against, "metric": metric, "test": PAIRED_BOOTSTRAP, "n": len(grid.target)}
        | compare_paired(pooled, base[metric], relative=metric in RELATIVE_METRICS)._asdict()
        for model in grid.predictions
        if model != against
        for metric, pooled in pooled_regression(grid, model=model, draws=draws).items()
    ]
    return frame(rows, COMPARISON_COLUMNS)
