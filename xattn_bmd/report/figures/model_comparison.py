"""How much every model's squared error differs from that of the base."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP
from xattn_bmd.report.figures.forest import Row, forest, interval_text
from xattn_bmd.report.figures.style import look, sentence, shorten, with_title
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@look()
def model_comparison(comparisons: pd.DataFrame, *, words: Words = RADIOGRAPHS) -> Figure:
    """Draw the relative change of the mean squared error against the base, with its 95 % interval.

    Args:
        comparisons: the comparisons table; its rows of the paired bootstrap for ``mse`` are used.
        words: of the report.
    """
    chosen = comparisons[(comparisons["metric"] == "mse") & (comparisons["test"] == PAIRED_BOOTSTRAP)]
    if chosen["relative"].notna().sum() == 0:
        return sentence("No model was compared with another one.")
    base = shorten(str(chosen["model_b"].iloc[0]))
    figure = forest(
        [_row(one) for one in chosen.to_dict("records")],
        xlabel="change of mean squared error (%)",
        line_at=0.0,
    )
    with_title(figure, f"against {base}: {int(chosen['n'].iloc[0])} {words.images}, paired; below 0 is better")
    return figure


def _row(one: dict[Any, Any]) -> Row:
    value, low, high = (100.0 * one[name] for name in ("relative", "relative_low", "relative_high"))
    low, high = (low, high) if np.isfinite([low, high]).all() else (float("nan"), float("nan"))
    return Row(shorten(one["model_a"]), value, low, high, interval_text(value, low, high, number="{:+.1f}"))
