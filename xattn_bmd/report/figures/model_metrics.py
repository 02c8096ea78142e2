"""One regression metric of every model with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.metrics.tables.layout import FOLDS
from xattn_bmd.report.figures.forest import Row, forest, interval_text
from xattn_bmd.report.figures.style import counted, look, sentence, shorten, with_title

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

METRIC_LABELS = {
    "mse": "mean squared error ((g/cm²)²)",
    "mae": "mean absolute error (g/cm²)",
    "rmse": "root mean squared error (g/cm²)",
    "r2": "R²",
    "pearson_r": "Pearson's r",
    "spearman_r": "Spearman's r",
    "ccc": "concordance correlation",
    "bias": "bias, predicted − measured (g/cm²)",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "auroc": "area under the ROC curve",
}
"""What the axis of a metric is called, with its unit."""


@look()
def model_metrics(metrics: pd.DataFrame, *, metric: str = "r2") -> Figure:
    """Draw a metric of every model as a dot with its 95 % interval, in the order of the table.

    Args:
        metrics: the metrics table; its rows that are no mean over folds are used.
        metric: one of its metrics.
    """
    chosen = metrics[(metrics["metric"] == metric) & (metrics["method"] != FOLDS)]
    if chosen["value"].notna().sum() == 0:
        return sentence(f"No model has a value of {METRIC_LABELS.get(metric, metric)}.")
    rows = [
        Row(shorten(one["model"]), one["value"], one["low"], one["high"], _text(one["value"], one["low"], one["high"]))
        for one in chosen.to_dict("records")
    ]
    figure = forest(rows, xlabel=METRIC_LABELS.get(metric, metric))
    with_title(figure, counted(int(chosen["n"].iloc[0]), int(chosen["patients"].iloc[0])))
    return figure


def _text(value: float, low: float, high: float) -> str:
    return interval_text(value, low, high, number="{:.4f}" if abs(value) < 0.02 else "{:.3f}")
