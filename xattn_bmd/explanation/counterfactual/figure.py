"""How far an estimate follows the mineral, and how far anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xattn_bmd.explanation.counterfactual.answers import WHOLE
from xattn_bmd.report.figures.style import BLUE, GREY, look, new_figure, shorten, with_title
from xattn_bmd.report.words import RADIOGRAPHS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW_INCHES = 0.34


@look()
def slope_figure(slopes: pd.DataFrame) -> Figure:
    """Draw the slopes of the whole picture with their 95 % intervals, and dashed what physics asks for.

    Args:
        slopes: of one model, from :func:`~xattn_bmd.explanation.counterfactual.slopes.counterfactual_slopes`.
    """
    whole = slopes[slopes["region"] == WHOLE]
    parts = [part for part in (whole[whole["ideal"] == 1.0], whole[whole["ideal"] == 0.0]) if len(part)]
    figure = new_figure(1.4 + sum(0.8 + _ROW_INCHES * len(part) for part in parts))
    grid = figure.subplots(len(parts), squeeze=False, height_ratios=[1.0 + len(part) for part in parts])
    for axes, part in zip(grid[:, 0], parts, strict=True):
        _draw(axes, part)
    first = whole.iloc[0]
    people = RADIOGRAPHS.counted(int(first["n"]), int(first["patients"]))
    with_title(figure, f"{shorten(str(first['model']))}: {people}, simulated\n(dashed: what physics asks for)")
    return figure


def _draw(axes: Axes, part: pd.DataFrame) -> None:
    from matplotlib.ticker import MaxNLocator

    ideal, places = float(part["ideal"].iloc[0]), np.arange(len(part))
    axes.axvline(ideal, color=GREY, linewidth=1.0, linestyle="--")
    ends = np.array([part["slope"] - part["low"], part["high"] - part["slope"]])
    axes.errorbar(part["slope"], places, xerr=ends, fmt="o", color=BLUE, markersize=5.0, elinewidth=2.0)
    axes.set_yticks(places, part["change"].tolist())
    axes.set_ylim(len(part) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    unit = RADIOGRAPHS.scale.unit
    axes.set_xlabel(f"{unit} of estimate for each {unit} of mineral" if ideal else f"{unit} for each step")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    if ideal:
        axes.set_xlim(min(0.0, float(part["low"].min())) - 0.05, max(1.05, float(part["high"].max()) + 0.05))
