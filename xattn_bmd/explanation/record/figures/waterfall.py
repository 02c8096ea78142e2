"""One radiograph's estimate, from the mean of other people step by step to the prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.scale import DensityScale
from xattn_bmd.explanation.record.contributions import IMAGE, Contributions
from xattn_bmd.explanation.record.figures.variable_values import value_text
from xattn_bmd.report.figures.style import BLUE, GREY, VERMILLION, look, new_figure, shorten, with_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_STEPS = 12
_ROW_INCHES, _ROOM = 0.31, 0.16


class Step(NamedTuple):
    """One row: its name, and what it adds to the density."""

    label: str
    size: float


@look()
def waterfall(contributions: Contributions, radiograph_id: str) -> Figure:
    """Draw what the picture and each variable add for one radiograph, the largest at the top.

    Args:
        contributions: of the radiograph, among others.
        radiograph_id: which.

    Raises:
        RunError: if it was not explained.
    """
    from matplotlib.ticker import MaxNLocator

    row = contributions.position(radiograph_id)
    steps = _steps(contributions, row)
    figure = new_figure(1.5 + _ROW_INCHES * (len(steps) + 2))
    axes = figure.add_subplot()
    start, end = float(contributions.mean[row]), float(contributions.prediction[row])
    # from the bottom up: the mean, the smallest step, ..., the largest, the prediction
    levels = start + np.cumsum([0.0, *(step.size for step in reversed(steps))])
    _draw_steps(axes, steps, levels)
    last = len(steps) + 1
    axes.plot([start, end], [last, 0], linestyle="none", marker="D", markersize=5.0, color=GREY)
    labels = ["estimate", *(step.label for step in steps), "mean of others"]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(last + 0.6, -0.6)
    span = float(np.ptp(levels)) or 0.01
    axes.set_xlim(float(levels.min()) - _ROOM * span, float(levels.max()) + _ROOM * span)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"estimated density ({contributions.words.scale.unit})")
    _texts(axes, [end, *(step.size for step in steps), start], contributions.words.scale)
    with_title(figure, f"{shorten(contributions.model)}: {shorten(radiograph_id, length=24)}")
    return figure


def _steps(contributions: Contributions, row: int) -> list[Step]:
    record = contributions.record_table.iloc[row]
    steps = [Step(IMAGE, float(contributions.image[row]))]
    for position, name in enumerate(contributions.variables):
        label = f"{shorten(name, length=14)} = {shorten(value_text(record[name]), length=12)}"
        steps.append(Step(label, float(contributions.record[row, position])))
    steps.sort(key=lambda step: -abs(step.size))
    kept, rest = steps[:MOST_STEPS], steps[MOST_STEPS:]
    return [*kept, Step(f"{len(rest)} others", sum(step.size for step in rest))] if rest else kept


def _draw_steps(axes: Axes, steps: list[Step], levels: NDArray[np.float64]) -> None:
    for number, step in enumerate(reversed(steps)):
        place, before = len(steps) - number, float(levels[number])
        colour = BLUE if step.size >= 0 else VERMILLION
        hatch = None if step.size >= 0 else "////"
        axes.barh(place, step.size, left=before, height=0.62, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        axes.plot([before, before], [place - 0.31, place + 1.0], color=GREY, linewidth=0.8)
    axes.plot([levels[-1]] * 2, [0.0, 1.31], color=GREY, linewidth=0.8)


def _texts(axes: Axes, values: list[float], scale: DensityScale) -> None:
    beside = axes.secondary_yaxis("right")
    end, *sizes, start = values
    beside.set_yticks(
        range(len(values)), [scale.text(end), *(_signed(size, scale) for size in sizes), scale.text(start)]
    )
    beside.tick_params(length=0)
    beside.spines["right"].set_visible(False)


def _signed(size: float, scale: DensityScale) -> str:
    rounds_to_nothing = abs(size) < 0.5 * 10.0**-scale.decimals
    return scale.text(0.0) if rounds_to_nothing else scale.text(size, sign="+").replace("-", "−")
