"""How a search went: the value of every trial, and the best one so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xattn_bmd.report.figures.style import (
    BLUE,
    GREY,
    PALE,
    VERMILLION,
    legend_below,
    look,
    new_figure,
    sentence,
    with_title,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@look()
def search_history(trials: pd.DataFrame, *, objective: str, words: str, maximize: bool = False) -> Figure:
    """Draw the trials of one study in the order in which they were taken.

    Args:
        trials: the trials of a study that count: columns ``state``, ``folds_scored``, ``folds`` and the objective.
        objective: name of the objective's column.
        words: what the objective is, with its unit.
        maximize: whether larger values are better.
    """
    from matplotlib.ticker import MaxNLocator

    values = trials[objective].to_numpy(dtype=float)
    whole = (trials["folds_scored"] == trials["folds"]).to_numpy() & np.isfinite(values)
    stopped = np.isfinite(values) & ~whole
    if not whole.any():
        return sentence("No trial was fitted on every fold.")
    order = np.arange(1, len(trials) + 1)
    worst = -np.inf if maximize else np.inf
    best = (np.maximum if maximize else np.minimum).accumulate(np.where(whole, values, worst))
    figure = new_figure(3.2)
    axes = figure.subplots()
    axes.plot(order[whole], values[whole], "o", color=BLUE, markersize=4.5, label="trial on all folds")
    if stopped.any():
        axes.plot(order[stopped], values[stopped], "v", color=PALE, markeredgecolor=GREY, label="stopped trial")
    axes.step(order[np.isfinite(best)], best[np.isfinite(best)], where="post", color=VERMILLION, label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel(words)
    with_title(figure, f"{len(trials)} trials, {int(whole.sum())} of them on all folds")
    legend_below(figure, axes)
    return figure
