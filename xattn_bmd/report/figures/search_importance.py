"""Which settings a search found to matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.report.figures.style import BLUE, look, new_figure, sentence, shorten, with_title

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_MOST = 12


@look()
def search_importance(importance: pd.DataFrame) -> Figure:
    """Draw the share of the objective's variation that each setting explains, largest on top.

    Args:
        importance: columns ``parameter`` and ``importance``, largest first.
    """
    if not len(importance):
        return sentence("Too few trials were finished to weigh the settings.")
    shown = importance.head(_MOST).iloc[::-1]
    figure = new_figure(0.9 + 0.3 * len(shown))
    axes = figure.subplots()
    names = [shorten(str(name), length=26) for name in shown["parameter"]]
    axes.barh(names, 100.0 * shown["importance"].to_numpy(dtype=float), color=BLUE)
    axes.set_xlabel("share of explained variation (%)")
    with_title(figure, "settings of every trial (fANOVA); no proof of a cause")
    return figure
