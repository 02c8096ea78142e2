"""Rows of values with their intervals, one under the other: what all forest plots share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xattn_bmd.report.figures.style import BLUE, GREY, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FLAT, _TALL = 0.29, 0.40
"""Inches for a row with one line of text, and with two."""
_TICKS = 4


class Row(NamedTuple):
    """One row of a forest plot.

    Attributes:
        label: what stands at the left.
        value: where the dot is; NaN draws none.
        low: lower end of the interval; NaN draws none.
        high: upper end.
        text: what stands at the right.
        heading: whether the row is only a heading.
        color: colour of dot and interval.
        marker: marker of the dot.
    """

    label: str
    value: float
    low: float
    high: float
    text: str
    heading: bool = False
    color: str = BLUE
    marker: str = "o"


def heading(label: str) -> Row:
    """Return a row that names the rows under it."""
    return Row(label, float("nan"), float("nan"), float("nan"), "", heading=True)


def forest(rows: Sequence[Row], *, xlabel: str, line_at: float | None = None) -> Figure:
    """Draw rows from top to bottom.

    Args:
        rows: at least one.
        xlabel: the value and its unit.
        line_at: where a vertical line says "no difference"; None draws none.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(1.1 + sum(_TALL if "\n" in row.text else _FLAT for row in rows))
    axes = figure.add_subplot()
    if line_at is not None:
        axes.axvline(line_at, color=GREY, linewidth=1.0, linestyle="--")
    for place, row in enumerate(rows):
        draw_row(axes, row, place=place)
    _name_rows(axes, rows)
    axes.set_xlabel(xlabel)
    axes.xaxis.set_major_locator(MaxNLocator(_TICKS))
    axes.spines["left"].set_visible(False)
    return figure


def draw_row(axes: Axes, row: Row, *, place: float) -> None:
    """Draw the dot and the interval of one row at a height."""
    if np.isfinite([row.low, row.high]).all():
        axes.plot([row.low, row.high], [place, place], color=row.color, linewidth=2.0, solid_capstyle="butt")
    if np.isfinite(row.value):
        axes.plot([row.value], [place], color=row.color, marker=row.marker, markersize=6.0, linestyle="none")


def _name_rows(axes: Axes, rows: Sequence[Row]) -> None:
    places = list(range(len(rows)))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(places, [row.label for row in rows])
    axes.tick_params(axis="y", length=0)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.heading else "normal")
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(places, [row.text for row in rows])
    beside.tick_params(length=0)
    beside.spines["right"].set_visible(False)


def interval_text(value: float, low: float, high: float, *, number: str = "{:.3f}", unit: str = "") -> str:
    r"""Return a value and, in a second line, its interval; a dash where it is NaN.

    Example:
        >>> interval_text(0.5, 0.4, float("nan"), number="{:.1f}"), interval_text(0.5, 0.4, 0.6, number="{:.1f}")
        ('0.5', '0.5\n[0.4, 0.6]')
    """
    if not np.isfinite(value):
        return "–"
    shown = [number.format(end).replace("-", "−") for end in (value, low, high)]
    return f"{shown[0]}{unit}\n[{shown[1]}, {shown[2]}]" if np.isfinite([low, high]).all() else f"{shown[0]}{unit}"
