"""Who changes class when one model is used instead of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xattn_bmd.report.figures.confusion import class_counts, count_text, name_classes
from xattn_bmd.report.figures.style import look, new_figure, sentence, shorten, with_title
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BETTER, _WORSE, _SAME = "#9BCBEB", "#F2B48C", "#F2F2F2"


@look()
def reclassification(table: pd.DataFrame, *, model_a: str, model_b: str, words: Words = RADIOGRAPHS) -> Figure:
    """Draw, for each measured class, the class by model b (rows) against the class by model a (columns).

    Cells say whether model a's class lies nearer to the measured one than model b's (better) or farther (worse).

    Args:
        table: the reclassification table.
        model_a: the model that is used instead.
        model_b: the model that it replaces.
        words: of the report.
    """
    chosen = table[(table["model_a"] == model_a) & (table["model_b"] == model_b)]
    if chosen["count"].sum() == 0:
        return sentence(f"{shorten(model_a)} and {shorten(model_b)} were not compared class by class.")
    figure, classes = new_figure(6.9), words.scale.classes
    panels = [figure.add_subplot(len(classes), 1, place + 1) for place in range(len(classes))]
    for true_place, (axes, true_class) in enumerate(zip(panels, classes, strict=True)):
        _panel(axes, chosen[chosen["true_class"] == true_class], true_place, words)
        axes.set_ylabel(f"by {shorten(model_b, length=14)}")
    total = count_text(float(chosen["count"].sum()))
    with_title(figure, f"{shorten(model_a)} instead of {shorten(model_b)}: {total} {words.images}")
    panels[-1].set_xlabel(f"class by {shorten(model_a)}")
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, true_place: int, words: Words) -> None:
    from matplotlib.colors import ListedColormap

    classes = words.scale.classes
    counts = class_counts(rows, rows="class_b", columns="class_a", classes=classes)
    distance = np.abs(np.arange(len(classes)) - true_place)
    gain = np.sign(distance[:, None] - distance[None, :])
    axes.imshow(gain, cmap=ListedColormap([_WORSE, _SAME, _BETTER]), vmin=-1, vmax=1, aspect="auto")
    said = {1: "better", -1: "worse", 0: ""}
    for (row, column), count in np.ndenumerate(counts):
        word = said[int(gain[row, column])] if count else ""
        axes.text(column, row, f"{count_text(count)} {word}".strip(), ha="center", va="center")
    name_classes(axes, classes)
    total = count_text(float(counts.sum()))
    axes.set_title(f"measured: {classes[true_place]}, {total} {words.images}")
