"""A variable's contribution against its value, a point for each radiograph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import RunError
from xattn_bmd.explanation.record.contributions import Contributions
from xattn_bmd.explanation.record.figures.variable_values import VariableValues, variable_values
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

_JITTER = 0.14


@look()
def dependence(contributions: Contributions, variable: str, *, unit: str = "") -> Figure:
    """Draw the contribution of a variable against its value, with the standard error of each; missing values apart.

    Args:
        contributions: of at least one radiograph.
        variable: one of its variables.
        unit: of the values, for the axis; empty for none.

    Raises:
        RunError: if the model reads no such variable.
    """
    if variable not in contributions.variables:
        raise RunError(
            f"A dependence plot shows a variable of the model ({', '.join(contributions.variables)}), but {variable!r} "
            "was asked for; mend the name."
        )
    position = contributions.variables.index(variable)
    values = variable_values(contributions, variable)
    figure = new_figure(3.6)
    axes = figure.add_subplot()
    axes.axhline(0.0, color=GREY, linewidth=1.0, linestyle="--")
    _draw(axes, values, contributions.record[:, position], contributions.record_error[:, position])
    axes.set_xlabel(f"{variable} ({unit})" if unit else variable)
    axes.set_ylabel(f"contribution ({contributions.words.scale.unit})")
    number = contributions.words.counted(len(contributions.radiograph_ids), len(set(contributions.patient_ids)))
    with_title(figure, f"{shorten(contributions.model)}: {number}")
    return figure


def _draw(axes: Axes, values: VariableValues, size: NDArray[np.float64], error: NDArray[np.float64]) -> None:
    missing = np.isnan(values.number)
    place = np.where(missing, _beyond(values), values.number)
    if values.categories:
        place = place + _JITTER * np.linspace(-1.0, 1.0, len(place))
    raster = len(place) > RASTER_FROM
    axes.errorbar(place, size, yerr=error, fmt="none", ecolor=PALE, elinewidth=1.0, rasterized=raster)
    axes.scatter(place, size, s=18, facecolor=BLUE, edgecolor="white", linewidth=0.4, alpha=0.8, rasterized=raster)
    ticks = {float(at): name for at, name in enumerate(values.categories)}
    if missing.any():
        low, high = np.nanmin(values.number, initial=np.inf), np.nanmax(values.number, initial=-np.inf)
        numbers = {tick: f"{tick:g}" for tick in axes.get_xticks() if low <= tick <= high}
        ticks = {**(ticks or numbers), _beyond(values): "missing"}
    if ticks:
        axes.set_xticks(list(ticks), list(ticks.values()))


def _beyond(values: VariableValues) -> float:
    """Return where missing values are drawn: to the right of all others."""
    known = values.number[np.isfinite(values.number)]
    if values.categories or not len(known):
        return float(len(values.categories))
    return float(known.max() + 0.12 * (np.ptp(known) or 1.0))
