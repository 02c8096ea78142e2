"""One regression metric of every model with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.metrics.tables.layout import FOLDS
from xattn_bmd.report.figures.forest import Row, forest, interval_text
from xattn_bmd.report.figures.style import look, sentence, shorten, with_title
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


_THREE = 3


@look()
def model_metrics(metrics: pd.DataFrame, *, metric: str = "r2", words: Words = RADIOGRAPHS) -> Figure:
    """Draw a metric of every model as a dot with its 95 % interval, in the order of the table.

    Args:
        metrics: the metrics table; its rows that are no mean over folds are used.
        metric: one of its metrics.
        words: of the report.
    """
    chosen = metrics[(metrics["metric"] == metric) & (metrics["method"] != FOLDS)]
    if chosen["value"].notna().sum() == 0:
        return sentence(f"No model has a value of {words.axis(metric)}.")
    rows = [
        Row(shorten(name), value, low, high, _text(value, low, high, words.places(metric)))
        for name, value, low, high in chosen[["model", "value", "low", "high"]].itertuples(index=False)
    ]
    figure = forest(rows, xlabel=words.axis(metric))
    with_title(figure, words.counted(int(chosen["n"].iloc[0]), int(chosen["patients"].iloc[0])))
    return figure


def _text(value: float, low: float, high: float, places: int) -> str:
    """Return the value with its interval; of one that is small for three decimals, such as a squared error, four."""
    small = places >= _THREE and abs(value) < 0.02
    return interval_text(value, low, high, number="{:.4f}" if small else f"{{:.{min(places, _THREE)}f}}")
