"""Curves of several models with bands: what ROC and precision-recall curves share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xattn_bmd.report.figures.style import (
    ModelStyle,
    left_out,
    legend_below,
    model_styles,
    new_figure,
    shorten,
    with_title,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BANDS_AT_MOST = 2
"""With more models than this, overlapping bands cannot be told apart, and only the first model has one."""


def unit_curves(chosen: pd.DataFrame, *, models: Sequence[str], title: str) -> tuple[Figure, Axes]:
    """Draw curves between 0 and 1 with their 95 % bands and a legend that says whose bands they are.

    Args:
        chosen: rows of one curve and threshold with model, x, y, low and high.
        models: the models to draw, at most six, in the order of their styles.
        title: what stands above.
    """
    figure = new_figure(4.9)
    axes = figure.add_subplot(aspect="equal")
    styles = model_styles([model for model in models if (chosen["model"] == model).any()])
    for place, (model, style) in enumerate(styles.items()):
        banded = place == 0 or len(styles) <= BANDS_AT_MOST
        draw_curve(axes, chosen[chosen["model"] == model], style, name=shorten(model), banded=banded)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    note = left_out(models)
    with_title(figure, f"{title}; {note}" if note else title)
    return figure, axes


def draw_curve(
    axes: Axes, rows: pd.DataFrame, style: ModelStyle, *, name: str, banded: bool, x: str = "x", y: str = "y"
) -> None:
    """Draw one model's curve and, where wanted, its band.

    Args:
        axes: where to draw.
        rows: the model's rows with the columns ``x``, ``y``, low and high.
        style: how the model is drawn.
        name: its name in the legend.
        banded: whether to draw the band.
        x: column of the horizontal values.
        y: column of the vertical values.
    """
    ordered = rows.sort_values(x, kind="stable")
    places = ordered[x].to_numpy(float)
    axes.plot(
        places,
        ordered[y].to_numpy(float),
        color=style.color,
        linestyle=style.line,
        label=f"{name} (95 % band)" if banded else name,
    )
    if banded:
        low, high = (ordered[end].to_numpy(float) for end in ("low", "high"))
        axes.fill_between(places, low, high, color=style.color, alpha=0.18, linewidth=0.0)


def finish(figure: Figure, axes: Axes, *, xlabel: str, ylabel: str) -> Figure:
    """Name the axes and add the legend."""
    axes.set(xlabel=xlabel, ylabel=ylabel)
    legend_below(figure, axes)
    return figure
