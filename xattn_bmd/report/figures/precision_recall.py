"""Precision (positive predictive value) against recall (sensitivity)."""

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
def precision_recall(
    curves: pd.DataFrame,
    *,
    threshold: float,
    models: Sequence[str],
    prevalence: float | None = None,
    words: Words = RADIOGRAPHS,
) -> Figure:
    """Draw precision against recall for low density at a threshold, with 95 % bands as in the ROC figure.

    Args:
        curves: the curves table.
        threshold: of low density, as tables have it: -1 or -2.5.
        models: the models to draw, at most six, in the order of their styles.
        prevalence: share of low density, drawn as the precision of chance; None draws no line.
        words: of the report.
    """
    of_curve = curves[(curves["curve"] == "precision_recall") & (curves["threshold"] == threshold)]
    chosen = of_curve[of_curve["model"].isin(models)].dropna(subset=["x", "y"])
    where = words.at(threshold)
    if chosen.empty:
        return sentence(f"No precision-recall curve at {where}: no {words.image} is positive.")
    figure, axes = unit_curves(chosen, models=models, title=f"Precision and recall, low density at {where}")
    if prevalence is not None:
        axes.axhline(prevalence, color=GREY, linewidth=1.0, linestyle=":", label=f"prevalence {prevalence:.2f}")
    return finish(figure, axes, xlabel="recall (sensitivity)", ylabel="precision (PPV)")
