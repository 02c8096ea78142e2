"""Mean heat of each class on the normalised vertebral body, with its zones.

Axes: ``C`` cells a side of a map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.report.figures.style import look, new_figure, shorten, with_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CELL = 1.45
_LINE = "#00E5A0"


@look()
def body_heat(
    maps: Mapping[str, Mapping[str, NDArray[np.float64]]],
    *,
    edges: Sequence[Sequence[tuple[float, float]]],
    margin: float,
    simulated: bool = False,
) -> Figure:
    """Draw mean maps, one row for the trained network and for each control, one column for each class; one scale.

    Args:
        maps: ``(C, C)`` by network, then by class; 1 is chance.
        edges: lines of the zones, (along, across) of the body.
        margin: share of the body that the maps show on each side.
        simulated: whether the radiographs are simulated, which the title then says.
    """
    columns = max(len(each) for each in maps.values())
    figure = new_figure(0.9 + _CELL * len(maps))
    axes = np.atleast_2d(figure.subplots(len(maps), columns, squeeze=False))
    largest = max(
        float(np.nanmax([1.0, *np.nan_to_num(one).ravel()])) for each in maps.values() for one in each.values()
    )
    ends = (-margin, 1 + margin, 1 + margin, -margin)
    for row, (network, each) in zip(axes, maps.items(), strict=True):
        for one, (name, heat) in zip(row, each.items(), strict=True):
            shown = one.imshow(heat, cmap="magma", vmin=0.0, vmax=largest, extent=ends)
            for line in edges:
                one.plot(*np.array(line).T, color=_LINE, linewidth=0.8)
            one.set_xticks([])
            one.set_yticks([])
            one.set_title(shorten(name, length=14))
        row[0].set_ylabel(shorten(network))
    figure.colorbar(shown, ax=axes, shrink=0.7, label="times chance")
    of = "simulated radiographs: " if simulated else ""
    with_title(figure, f"{of}mean heat on the vertebral body; anterior is left, 1 is chance")
    return figure
