"""Receiver operating characteristic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xattn_bmd.report.figures.curves import finish, unit_curves
from xattn_bmd.report.figures.style import GREY, look, sentence
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@look()
def roc(curves: pd.DataFrame, *, threshold: float, models: Sequence[str], words: Words = RADIOGRAPHS) -> Figure:
    """Draw sensitivity against 1 - specificity for low density at a threshold, with 95 % bands.

    With more than two models only the first has a band: several overlapping ones cannot be told apart.

    Args:
        curves: the curves table.
        threshold: of low density, as tables have it: -1 or -2.5.
        models: the models to draw, at most six, in the order of their styles.
        words: of the report.
    """
    chosen = curves[(curves["curve"] == "roc") & (curves["threshold"] == threshold) & curves["model"].isin(models)]
    chosen = chosen.dropna(subset=["x", "y"])
    if chosen.empty:
        return sentence(f"No ROC curve at {words.at(threshold)}: one class is absent.")
    figure, axes = unit_curves(chosen, models=models, title=f"ROC, low density at {words.at(threshold)}")
    axes.plot([0.0, 1.0], [0.0, 1.0], color=GREY, linewidth=1.0, linestyle=":", label="chance")
    return finish(figure, axes, xlabel="1 − specificity", ylabel="sensitivity")
