"""Matrices of WHO classes: confusion and reclassification."""

import itertools

import numpy as np
import pandas as pd
import pytest

from tests.report.figures.drawn import text
from xattn_bmd.bone.scale import AREAL
from xattn_bmd.report.figures.confusion import confusion
from xattn_bmd.report.figures.reclassification import reclassification

CLASSES = AREAL.classes
PAIRS = list(itertools.product(CLASSES, CLASSES))
CONFUSION = pd.DataFrame(
    [("m", *pair, count) for pair, count in zip(PAIRS, [8, 2, 0, 1, 5, 4, 0, 0, 0], strict=True)],
    columns=["model", "true_class", "predicted_class", "count"],
)


def cells(axes):
    """Text by (row, column)."""
    return {(round(one.get_position()[1]), round(one.get_position()[0])): one.get_text() for one in axes.texts}


def test_confusion_has_counts_and_shares_of_the_measured_class():
    figure = confusion(CONFUSION.sample(frac=1.0, random_state=0), model="m")
    (axes,) = figure.axes
    shown = cells(axes)
    assert shown[0, 0] == "8\n80 %" and shown[0, 1] == "2\n20 %"
    assert shown[1, 0] == "1\n10 %" and shown[1, 2] == "4\n40 %"
    assert shown[2, 2] == "0", "a class that nobody has takes no share"
    np.testing.assert_allclose(axes.images[0].get_array()[1], [0.1, 0.5, 0.4])
    assert [one.get_text() for one in axes.get_yticklabels()] == list(CLASSES)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "measured class")
    assert "20 radiographs" in text(figure)


def test_means_over_repeats_keep_a_decimal():
    figure = confusion(CONFUSION.assign(count=CONFUSION["count"] + 0.5), model="m")
    assert cells(figure.axes[0])[0, 0].startswith("8.5\n")


def test_reclassification_says_better_and_worse():
    rows = [("a", "b", true, of_a, of_b, 1.0) for true, of_a, of_b in itertools.product(CLASSES, CLASSES, CLASSES)]
    columns = ["model_a", "model_b", "true_class", "class_a", "class_b", "count"]
    table = pd.DataFrame(rows, columns=columns)
    move = (table[["true_class", "class_a", "class_b"]] == ["osteoporosis", "osteopenia", "normal"]).all(axis=1)
    table.loc[move, "count"] = 7.0
    figure = reclassification(table, model_a="a", model_b="b")
    assert len(figure.axes) == 3
    normal, osteopenia, osteoporosis = (cells(axes) for axes in figure.axes)
    assert osteoporosis[0, 1] == "7 better", "b said normal (row), a says osteopenia (column): nearer to osteoporosis"
    assert osteoporosis[1, 0] == "1 worse"
    assert osteopenia[0, 2] == "1", "as far from the measured class as before"
    assert normal[2, 0] == "1 better" and normal[0, 2] == "1 worse" and normal[1, 1] == "1"
    assert "a instead of b: 33 radiographs" in text(figure)
    assert "measured: osteoporosis, 15 radiographs" in text(figure)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: confusion(CONFUSION, model="other"),
        lambda: confusion(CONFUSION.assign(count=np.nan), model="m"),
        lambda: reclassification(
            pd.DataFrame(columns=["model_a", "model_b", "true_class", "class_a", "class_b", "count"]),
            model_a="a",
            model_b="b",
        ),
    ],
)
def test_nothing_to_draw_is_a_sentence(draw):
    figure = draw()
    assert not figure.axes
    assert text(figure).endswith(".")
