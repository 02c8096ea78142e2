"""Heat over radiographs: red raises the density, blue lowers it.

Axes: ``M`` pictures, ``S`` side of a picture, ``h, w`` of a heat map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.report.figures.style import look, new_figure, with_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
_FADED = 0.55
_CELL = 1.62
SIGNED, UNSIGNED = "RdBu_r", "magma"
OUTLINE = "#00E5A0"


@look()
def heat_overlay(
    pictures: NDArray[np.float32],
    heat: NDArray[np.float32],
    *,
    names: Sequence[str],
    title: str,
    outlines: NDArray[np.float32] | None = None,
) -> Figure:
    """Draw radiographs with their heat, each map on its own scale: the colour says where, not how much.

    Args:
        pictures: ``(M, S, S)`` grey levels in 0-1.
        heat: ``(M, h, w)``; a map without negative values is drawn from dark to bright instead of blue to red.
        names: what stands above each.
        title: of the figure.
        outlines: ``(M, S, S)`` 0-1, a region whose outline is drawn; None for none.
    """
    columns = min(COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = new_figure(0.6 + rows * (_CELL + 0.2))
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for place, one in enumerate(axes):
        one.axis("off")
        if place < len(pictures):
            draw_heat(one, pictures[place], heat[place], outline=None if outlines is None else outlines[place])
            one.set_title(names[place])
    with_title(figure, title)
    return figure


def draw_heat(
    axes: Axes, picture: NDArray[np.float32], heat: NDArray[np.float32], *, outline: NDArray[np.float32] | None = None
) -> None:
    """Draw one radiograph ``(S, S)`` with its heat ``(h, w)`` on axes without frame."""
    side = len(picture)
    extent = (0.0, float(side), float(side), 0.0)
    largest = float(np.abs(heat).max()) or 1.0
    signed = float(heat.min()) < 0
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, extent=extent)
    axes.imshow(
        heat,
        cmap=SIGNED if signed else UNSIGNED,
        vmin=-largest if signed else 0.0,
        vmax=largest,
        alpha=_FADED * np.clip(np.abs(heat) / largest, 0, 1) ** 0.5,
        extent=extent,
        interpolation="bilinear" if heat.shape[0] < side else "nearest",
    )
    if outline is not None and outline.max() >= 0.5 > outline.min():
        axes.contour(
            np.arange(side) + 0.5, np.arange(side) + 0.5, outline, levels=[0.5], colors=OUTLINE, linewidths=0.9
        )
    axes.set_axis_off()
