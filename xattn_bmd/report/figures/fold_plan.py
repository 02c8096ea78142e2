"""How the folds share out patients, radiographs and densities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.metrics.predictions import PredictionGrid
from xattn_bmd.report.figures.style import (
    BLUE,
    GREY,
    PALE,
    VERMILLION,
    legend_below,
    look,
    new_figure,
    with_title,
)
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR = 0.4


@look()
def fold_plan(grid: PredictionGrid, *, words: Words = RADIOGRAPHS) -> Figure:
    """Draw the radiographs and patients of each scored fold, and under them its mean density with its SD.

    With several repeats the folds are those of the first.

    Args:
        grid: the predictions.
        words: of the report.
    """
    folds = np.unique(grid.folds[0])
    members = [grid.folds[0] == fold for fold in folds]
    figure = new_figure(4.6)
    above, below = figure.subplots(2, 1, sharex=True)
    _draw_sizes(above, grid, members, words)
    _draw_densities(below, grid, members, words)
    labels = [str(grid.fold_labels[fold]) for fold in folds]
    step = max(1, len(labels) // 12)
    below.set_xticks(range(0, len(labels), step), labels[::step])
    below.set_xlabel("scored fold")
    title = words.counted(len(grid.target), grid.n_patients)
    repeats = len(grid.repeat_labels)
    with_title(figure, f"{title}\n(the first of {repeats} repeats)" if repeats > 1 else title)
    legend_below(figure, above, below)
    return figure


def _draw_sizes(axes: Axes, grid: PredictionGrid, members: list[NDArray[np.bool_]], words: Words) -> None:
    places = np.arange(len(members))
    radiographs = [int(inside.sum()) for inside in members]
    patients = [len(np.unique(grid.patients[inside])) for inside in members]
    axes.bar(places - _BAR / 2, radiographs, _BAR, color=BLUE, label=words.images)
    axes.bar(places + _BAR / 2, patients, _BAR, color=PALE, edgecolor=GREY, hatch="////", label="patients")
    axes.set_ylabel("number")


def _draw_densities(axes: Axes, grid: PredictionGrid, members: list[NDArray[np.bool_]], words: Words) -> None:
    means = [float(grid.target[inside].mean()) for inside in members]
    sds = [float(grid.target[inside].std(ddof=1)) if inside.sum() > 1 else 0.0 for inside in members]
    axes.axhline(float(grid.target.mean()), color=GREY, linewidth=1.0, linestyle="--", label="mean of all")
    axes.errorbar(
        np.arange(len(members)),
        means,
        yerr=sds,
        color=VERMILLION,
        marker="s",
        linestyle="none",
        linewidth=1.4,
        label="fold",
    )
    axes.set_ylabel(f"density ({words.scale.unit}),\nmean and SD")
