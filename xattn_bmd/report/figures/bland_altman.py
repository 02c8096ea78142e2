"""Agreement of predicted with measured density after Bland and Altman."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.metrics.predictions import PredictionGrid
from xattn_bmd.report.figures.scatter import draw_points, grid_title
from xattn_bmd.report.figures.style import (
    BLACK,
    GREY,
    PALE,
    VERMILLION,
    legend_below,
    look,
    new_figure,
    padded,
    with_title,
)
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = {"loa_high": ("upper limit", "--"), "bias": ("bias", "-"), "loa_low": ("lower limit", "--")}


@look()
def bland_altman(grid: PredictionGrid, *, model: str, agreement: pd.DataFrame, words: Words = RADIOGRAPHS) -> Figure:
    """Draw prediction minus measurement against the mean of both, with bias and 95 % limits of agreement.

    The shading is the interval of each line; the dotted line is the proportional bias.  Lines that ``agreement`` does
    not have, or has as NaN, are not drawn.  With several repeats the points are those of the first.

    Args:
        grid: the predictions.
        model: one of its models.
        agreement: the agreement table; of the model's rows ``bias``, ``loa_low``, ``loa_high`` and
            ``proportional_slope`` are used.
        words: of the report.
    """
    figure = new_figure(4.2)
    axes = figure.add_subplot()
    predicted = grid.predictions[model][0]
    means, differences = (predicted + grid.target) / 2.0, predicted - grid.target
    draw_points(axes, means, differences)
    found = agreement[(agreement["model"] == model) & agreement["value"].notna()]
    rows = found.drop_duplicates("metric").set_index("metric")
    drawn = [metric for metric in _LINES if metric in rows.index]
    _draw_lines(axes, rows.loc[drawn], words)
    _draw_slope(axes, rows, means, differences)
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.set(
        ylim=padded(np.concatenate([differences, rows.loc[drawn, ["value", "low", "high"]].to_numpy(float).ravel()])),
        xlabel=f"mean of predicted and measured ({words.scale.unit})",
        ylabel=f"predicted − measured ({words.scale.unit})",
    )
    with_title(figure, grid_title(grid, model, words))
    legend_below(figure, axes)
    return figure


def _draw_lines(axes: Axes, rows: pd.DataFrame, words: Words) -> None:
    """Draw bias and limits with their intervals, and name them at the right."""
    numbers = rows[["value", "low", "high"]].to_numpy(dtype=np.float64)
    named = [_LINES[str(metric)] for metric in rows.index]
    for (_, line), (value, low, high) in zip(named, numbers, strict=True):
        axes.axhline(value, color=VERMILLION, linestyle=line)
        if np.isfinite([low, high]).all():
            axes.axhspan(low, high, color=PALE, zorder=0.5)
    if named:
        beside = axes.secondary_yaxis("right")
        values = numbers[:, 0].tolist()
        shown = [words.scale.text(value, sign="+").replace("-", "−") for value in values]
        texts = [f"{name}\n{value}" for (name, _), value in zip(named, shown, strict=True)]
        beside.set_yticks(values, texts)
        beside.spines["right"].set_visible(False)


def _draw_slope(axes: Axes, rows: pd.DataFrame, means: NDArray[np.float64], differences: NDArray[np.float64]) -> None:
    if "proportional_slope" not in rows.index:
        return
    slope, p = rows.loc["proportional_slope", ["value", "p"]].to_numpy(dtype=np.float64)
    ends = np.array([means.min(), means.max()])
    tested = f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"
    label = f"slope {slope:+.2f}".replace("-", "−") + (f" ({tested})" if np.isfinite(p) else "")
    line = differences.mean() + slope * (ends - means.mean())
    axes.plot(ends, line, color=BLACK, linestyle=(0, (1, 1.5)), label=label)
