"""Net benefit of acting on the predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xattn_bmd.report.figures.curves import BANDS_AT_MOST, draw_curve, finish
from xattn_bmd.report.figures.style import (
    BLACK,
    GREY,
    ModelStyle,
    left_out,
    look,
    model_styles,
    new_figure,
    sentence,
    shorten,
    with_title,
)
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_STRATEGIES = {
    "treat_all": ("treat all", ModelStyle(GREY, (0, (8, 2)), "")),
    "treat_none": ("treat none", ModelStyle(BLACK, "-", "")),
}


@look()
def decision_curve(
    table: pd.DataFrame, *, threshold: float, models: Sequence[str], words: Words = RADIOGRAPHS
) -> Figure:
    """Draw net benefit against the probability at which one acts, beside treating all and treating none.

    The axis ends a little below zero: how bad a strategy that nobody would choose is does not matter.

    Args:
        table: the decision curve table.
        threshold: of low density, as tables have it: -1 or -2.5.
        models: the models to draw, at most six, in the order of their styles; the two strategies need not be named.
        words: of the report.
    """
    named = [model for model in models if model not in _STRATEGIES]
    chosen = table[(table["threshold"] == threshold) & table["model"].isin([*named, *_STRATEGIES])]
    chosen = chosen.dropna(subset=["net_benefit"])
    styles = model_styles([model for model in named if (chosen["model"] == model).any()])
    if not styles:
        return sentence(f"No decision curve at {words.at(threshold)}: no model has probabilities there.")
    figure = new_figure(4.4)
    axes = figure.add_subplot()
    drawn = {model: (shorten(model), style) for model, style in styles.items()} | _STRATEGIES
    for place, (model, (name, style)) in enumerate(drawn.items()):
        rows = chosen[chosen["model"] == model]
        banded = model in styles and (place == 0 or len(styles) <= BANDS_AT_MOST)
        draw_curve(axes, rows, style, name=name, banded=banded, x="probability", y="net_benefit")
    highest = max(float(chosen["net_benefit"].max()), float(chosen["high"].max()), 0.01)
    axes.set_ylim(-0.12 * highest, 1.05 * highest)
    note = left_out(named)
    with_title(
        figure, f"{int(chosen['n'].max())} {words.images}, {words.at(threshold)}" + (f"; {note}" if note else "")
    )
    return finish(figure, axes, xlabel="probability of low density at which one acts", ylabel="net benefit")
