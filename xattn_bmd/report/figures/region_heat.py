"""Heat in each region as a multiple of chance, of the trained model and of its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.report.figures.forest import Row, forest, heading, interval_text
from xattn_bmd.report.figures.style import STYLES, look, sentence, with_title

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

HEAT_OF = {
    "trained": "trained",
    "random_weights": "random weights",
    "random_fit": "random, trunk kept",
    "random_labels": "head on dealt labels",
}


@look()
def region_heat(overlap: pd.DataFrame, *, measure: str = "share_over_chance") -> Figure:
    """Draw one measure of every region with 95 % intervals; 1 is chance.

    Args:
        overlap: ``overlap.csv`` of an explanation.
        measure: a measure that is a multiple of chance.
    """
    chosen = overlap[overlap["measure"] == measure]
    if chosen.empty:
        return sentence("No masks were given, so heat was not judged by region.")
    styles = dict(zip(dict.fromkeys(chosen["heat_of"]), STYLES, strict=False))
    rows: list[Row] = []
    for region, group in chosen.groupby("region", sort=False):
        rows.append(heading(str(region)))
        for one in group.to_dict("records"):
            value, low, high = (float(one[name]) for name in ("value", "low", "high"))
            style, text = styles[one["heat_of"]], interval_text(value, low, high, number="{:.2f}")
            label = HEAT_OF.get(str(one["heat_of"]), str(one["heat_of"]))
            rows.append(Row(label, value, low, high, text, color=style.color, marker=style.marker))
    figure = forest(rows, xlabel="heat inside by what chance gives", line_at=1.0)
    first = chosen.iloc[0]
    with_title(
        figure, f"{first['method']}, {measure.replace('_', ' ')}: n = {first['n']} of {first['patients']} patients"
    )
    return figure
