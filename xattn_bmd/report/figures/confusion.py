"""Measured against predicted class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.report.figures.style import look, new_figure, sentence, shorten, with_title
from xattn_bmd.report.words import RADIOGRAPHS, Words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@look()
def confusion(
    confusion: pd.DataFrame, *, model: str, classes: Sequence[str] | None = None, words: Words = RADIOGRAPHS
) -> Figure:
    """Draw the radiographs of each measured class by predicted class, with the share of the measured class.

    Args:
        confusion: the confusion table; counts are means over repeats.
        model: one of its models.
        classes: all classes in their order; None takes those of the density.
        words: of the report.
    """
    classes = words.scale.classes if classes is None else classes
    counts = class_counts(
        confusion[confusion["model"] == model], rows="true_class", columns="predicted_class", classes=classes
    )
    if counts.sum() == 0:
        return sentence(f"No confusion matrix: {shorten(model)} has no classes.")
    figure = new_figure(3.6)
    axes = figure.add_subplot()
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        text = f"{count_text(count)}\n{100 * shares[row, column]:.0f} %" if totals[row, 0] else "0"
        color = "white" if shares[row, column] > 0.55 else "black"
        axes.text(column, row, text, ha="center", va="center", color=color)
    name_classes(axes, classes)
    axes.set(xlabel="predicted class", ylabel="measured class")
    with_title(figure, f"{shorten(model)}: {count_text(float(counts.sum()))} {words.images}, % of measured class")
    return figure


def class_counts(table: pd.DataFrame, *, rows: str, columns: str, classes: Sequence[str]) -> NDArray[np.float64]:
    """Return the counts of a table by two of K classes, (K, K); combinations that it lacks count 0."""
    sums = table.groupby([rows, columns])["count"].sum()
    return np.array([[float(sums.get((row, column), 0.0)) for column in classes] for row in classes])


def name_classes(axes: Axes, classes: Sequence[str]) -> None:
    """Write the class names on both axes of a square matrix, and draw no frame."""
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def count_text(count: float) -> str:
    """Return a count, with one decimal where it is a mean over repeats.

    Example:
        >>> count_text(12.0), count_text(12.5)
        ('12', '12.5')
    """
    return f"{count:,.0f}" if abs(count - round(count)) < 0.05 else f"{count:,.1f}"
