"""Deletion and insertion curves beside those of a random order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.report.figures.style import (
    BLUE,
    GREY,
    legend_below,
    look,
    new_figure,
    sentence,
    with_title,
)
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_AXES = {"deletion": "share of cells covered,\nhottest first", "insertion": "share of cells shown,\nhottest first"}


@look()
def perturbation(curves: pd.DataFrame, *, words: Words = RADIOGRAPHS) -> Figure:
    """Draw how far the estimate moves while the hottest cells are covered, or shown.

    Args:
        curves: ``curves.csv`` of an explanation.
        words: of the report.
    """
    if curves.empty:
        return sentence("No deletion and insertion curves were asked for.")
    figure = new_figure(3.2)
    parts = figure.subplots(1, 2, sharey=True)
    for axes, (curve, label) in zip(parts, _AXES.items(), strict=True):
        for order, color, line in (("heat", BLUE, "-"), ("random", GREY, "--")):
            one = curves[(curves["curve"] == curve) & (curves["order"] == order)]
            axes.plot(one["covered"], one["value"], color=color, linestyle=line, label=f"by {order}")
            axes.fill_between(one["covered"], one["low"], one["high"], color=color, alpha=0.2, linewidth=0)
        axes.set_xlabel(label)
        axes.set_title(curve)
    parts[0].set_ylabel(f"distance from whole ({words.scale.unit})")
    legend_below(figure, parts[0])
    with_title(figure, f"n = {int(curves['n'].max())} of {int(curves['patients'].max())} patients; 95 % intervals")
    return figure
