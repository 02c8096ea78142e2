"""Predicted against measured density."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import WHO_THRESHOLDS, density_at, t_score
from xattn_bmd.metrics.predictions import PredictionGrid
from xattn_bmd.report.figures.style import (
    BLUE,
    GREY,
    RASTER_FROM,
    legend_below,
    look,
    new_figure,
    padded,
    shorten,
    with_title,
)
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@look()
def scatter(grid: PredictionGrid, *, model: str, reference: Reference, words: Words = RADIOGRAPHS) -> Figure:
    """Draw one point per radiograph, the identity line and the edges of the classes; T-score axes where there are any.

    With several repeats only the first is drawn, and the title says so: a mean over repeats would look better than any
    single model is.

    Args:
        grid: the predictions, densities on the device scale of ``reference``.
        model: one of its models.
        reference: the young-adult population of the T-scores, or the cut-offs of QCT.
        words: of the report.
    """
    figure = new_figure(5.0)
    axes = figure.add_subplot(aspect="equal")
    predicted = grid.predictions[model][0]
    ends = padded(np.concatenate([grid.target, predicted]))
    axes.plot(ends, ends, color=GREY, linewidth=1.2, label="predicted = measured")
    _class_edges(axes, reference, words)
    draw_points(axes, grid.target, predicted)
    axes.set(xlim=ends, ylim=ends)
    axes.set(xlabel=f"measured density ({words.scale.unit})", ylabel=f"predicted density ({words.scale.unit})")
    if words.scale.has_t_scores:
        _t_score_axes(axes, reference)
    with_title(figure, grid_title(grid, model, words))
    legend_below(figure, axes)
    return figure


def draw_points(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Draw one point per radiograph; thousands of them as a picture, which keeps the file small."""
    axes.scatter(
        x, y, s=18, facecolor=BLUE, edgecolor="white", linewidth=0.4, alpha=0.8, rasterized=len(x) > RASTER_FROM
    )


def grid_title(grid: PredictionGrid, model: str, words: Words) -> str:
    """Return a model's name, its numbers of radiographs and patients and, of several repeats, which one is drawn."""
    title = f"{shorten(model)}: {words.counted(len(grid.target), grid.n_patients)}"
    repeats = len(grid.repeat_labels)
    return f"{title}\n(the first of {repeats} repeats)" if repeats > 1 else title


def _class_edges(axes: Axes, reference: Reference, words: Words) -> None:
    for edge in WHO_THRESHOLDS:
        density = float(density_at(edge, reference=reference))
        label = words.scale.cut_offs if edge == WHO_THRESHOLDS[0] else None
        axes.axvline(density, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), label=label)
        axes.axhline(density, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))


def _t_score_axes(axes: Axes, reference: Reference) -> None:
    from matplotlib.ticker import MultipleLocator

    functions = (lambda density: t_score(density, reference=reference), lambda t: density_at(t, reference=reference))
    above = axes.secondary_xaxis("top", functions=functions)
    beside = axes.secondary_yaxis("right", functions=functions)
    above.set_xlabel("measured T-score")
    beside.set_ylabel("predicted T-score")
    above.xaxis.set_major_locator(MultipleLocator(1.0))
    beside.yaxis.set_major_locator(MultipleLocator(1.0))
