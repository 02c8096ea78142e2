"""Share of the heat in each zone of a box, by class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xattn_bmd.report.figures.style import look, new_figure, sentence, with_title

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_COLUMNS = 2


@look()
def zone_profile(zones: pd.DataFrame) -> Figure:
    """Draw the mean share of heat in each zone, one grid for each group; left is medial.

    Args:
        zones: ``zones.csv`` of an explanation.
    """
    if zones.empty:
        return sentence("No masks were given, so there is no box to cut in zones.")
    groups = [(str(name), group) for name, group in zones.groupby("group", sort=False)]
    rows = -(-len(groups) // _COLUMNS)
    figure = new_figure(0.7 + 2.1 * rows)
    axes = np.atleast_1d(figure.subplots(rows, _COLUMNS)).ravel()
    side, largest = int(zones["row"].max()) + 1, float(np.nanmax([zones["value"].max(), 1e-9]))
    for one in axes:
        one.axis("off")
    for one, (name, group) in zip(axes, groups, strict=False):
        values = group.sort_values(["row", "column"])["value"].to_numpy().reshape(side, side)
        one.imshow(values, cmap="Blues", vmin=0, vmax=largest)
        for (row, column), value in np.ndenumerate(values):
            ink = "white" if value > 0.6 * largest else "black"
            one.text(column, row, f"{100 * value:.0f}\N{NO-BREAK SPACE}%", ha="center", va="center", color=ink)
        one.set_title(f"{name} (n = {int(group['n'].max())})")
    chance = f"{100 * float(zones['chance'].iloc[0]):.0f}\N{NO-BREAK SPACE}%"
    with_title(figure, f"heat in zones of the box of the {zones['box'].iloc[0]}; even heat: {chance}; left is medial")
    return figure
