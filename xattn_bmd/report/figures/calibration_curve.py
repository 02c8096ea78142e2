"""Mean measured density where the model predicts a given density."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xattn_bmd.report.figures.curves import BANDS_AT_MOST
from xattn_bmd.report.figures.style import (
    GREY,
    left_out,
    legend_below,
    look,
    model_styles,
    new_figure,
    padded,
    sentence,
    shorten,
    with_title,
)
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@look()
def calibration_curve(curve: pd.DataFrame, *, models: Sequence[str], words: Words = RADIOGRAPHS) -> Figure:
    """Draw measured against predicted density in bins of the prediction, with the 95 % interval of each bin's mean.

    With more than two models only the first has intervals.

    Args:
        curve: the calibration curve table.
        models: the models to draw, at most six, in the order of their styles.
        words: of the report.
    """
    chosen = curve[curve["model"].isin(models)].dropna(subset=["predicted", "observed"])
    if chosen.empty:
        return sentence(f"There are too few {words.images} for a calibration curve.")
    figure = new_figure(4.8)
    axes = figure.add_subplot(aspect="equal")
    styles = model_styles([model for model in models if (chosen["model"] == model).any()])
    for place, (model, style) in enumerate(styles.items()):
        rows = chosen[chosen["model"] == model].sort_values("bin")
        x, y, low, high = (rows[name].to_numpy(float) for name in ("predicted", "observed", "low", "high"))
        banded = place == 0 or len(styles) <= BANDS_AT_MOST
        if banded:
            axes.vlines(x, low, high, color=style.color, linewidth=1.2)
        name = f"{shorten(model)} (95 %)" if banded else shorten(model)
        axes.plot(x, y, color=style.color, linestyle=style.line, marker=style.marker, markersize=4.5, label=name)
    ends = padded(chosen[["predicted", "observed", "low", "high"]].to_numpy(float).ravel())
    axes.plot(ends, ends, color=GREY, linewidth=1.0, label="predicted = measured", zorder=0.5)
    axes.set(xlim=ends, ylim=ends)
    axes.set(xlabel=f"predicted density ({words.scale.unit})", ylabel=f"mean measured density ({words.scale.unit})")
    with_title(figure, _title(chosen, models, words))
    legend_below(figure, axes)
    return figure


def _title(chosen: pd.DataFrame, models: Sequence[str], words: Words) -> str:
    sizes = chosen["n"].to_numpy(float)
    sizes = sizes[np.isfinite(sizes)]
    span = f"{sizes.min():.0f}" if sizes.min() == sizes.max() else f"{sizes.min():.0f} to {sizes.max():.0f}"
    note = left_out(models)
    return f"{span} {words.images} per point" + (f"; {note}" if note else "")
