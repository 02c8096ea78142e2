"""Every radiograph's contributions, a row for each part: which variables move the estimates, and which way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.explanation.record.contributions import IMAGE, Contributions
from xattn_bmd.explanation.record.figures.variable_values import ranked, variable_values
from xattn_bmd.report.figures.style import (
    BLUE,
    GREY,
    PALE,
    RASTER_FROM,
    look,
    new_figure,
    shorten,
    with_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 15
COLOURS = "cividis"
"""From low to high values; even in lightness, so that grey print and colour-blind readers see the same."""

_ROW_INCHES, _BINS, _HALF_ROW = 0.33, 60, 0.38


@look()
def beeswarm(contributions: Contributions) -> Figure:
    """Draw one point per radiograph and part: the picture first, then the variables by mean size.

    The colour is the rank of the variable's value among the radiographs; grey where it is missing, blue for the
    picture.

    Args:
        contributions: of at least one radiograph.
    """
    from matplotlib.ticker import MaxNLocator

    order = np.argsort(-np.abs(contributions.record).mean(axis=0), kind="stable")[: MOST_ROWS - 1]
    figure = new_figure(1.7 + _ROW_INCHES * (1 + len(order)))
    axes = figure.add_subplot()
    axes.axvline(0.0, color=GREY, linewidth=1.0, linestyle="--")
    _row(axes, contributions.image, np.full(len(contributions.image), np.nan), place=0, missing=BLUE)
    for place, variable in enumerate(order, start=1):
        colour = ranked(variable_values(contributions, contributions.variables[variable]).number)
        _row(axes, contributions.record[:, variable], colour, place=place, missing=PALE)
    names = [IMAGE, *(shorten(contributions.variables[variable]) for variable in order)]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(f"contribution to the estimate ({contributions.words.scale.unit})")
    _colour_bar(figure, axes)
    number = contributions.words.counted(len(contributions.radiograph_ids), len(set(contributions.patient_ids)))
    left = len(contributions.variables) - len(order)
    with_title(
        figure, f"{shorten(contributions.model)}: {number}" + (f"; {left} more variables not shown" if left else "")
    )
    return figure


def _row(axes: Axes, values: NDArray[np.float64], colour: NDArray[np.float64], *, place: float, missing: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize, to_rgba

    known = np.isfinite(colour)
    height = place + _spread(values)
    shade = ScalarMappable(Normalize(0.0, 1.0), COLOURS).to_rgba(np.nan_to_num(colour))
    shade[~known] = to_rgba(missing)
    raster = len(values) > RASTER_FROM
    axes.scatter(values, height, s=12, facecolors=shade, edgecolor=GREY, linewidth=0.2, rasterized=raster)


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return offsets that stack points of about equal value above and below the row."""
    width = float(np.ptp(values)) / _BINS or 1.0
    bins = np.round(values / width).astype(np.int64)
    offset = np.zeros(len(values))
    for one in np.unique(bins):
        inside = np.flatnonzero(bins == one)
        steps = np.arange(len(inside))
        offset[inside] = np.where(steps % 2, 1, -1) * ((steps + 1) // 2)
    most = float(np.abs(offset).max(initial=0.0))
    return _HALF_ROW * offset / max(most, 4.0)


def _colour_bar(figure: Figure, axes: Axes) -> None:
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(cmap=COLOURS), ax=axes, location="bottom", shrink=0.6, aspect=30, pad=0.02)
    bar.set_ticks([0.0, 1.0], labels=["low", "high"])
    bar.set_label("value of the variable (grey: missing)")
    bar.outline.set_visible(False)
