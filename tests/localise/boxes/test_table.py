"""Every rule for boxes, one planted fault each."""

import pandas as pd
import pytest

from xattn_bmd.errors import LocaliseError
from xattn_bmd.localise.boxes.table import check_boxes, in_reading_order, require_boxes

COLUMNS = ["radiograph_id", "label", "x0", "y0", "x1", "y1"]
GOOD = ["a", "femur", 0.0, 0.0, 10.0, 10.0]


def kinds(rows, **options):
    boxes = pd.DataFrame(rows, columns=COLUMNS)
    return [problem.kind for problem in check_boxes(boxes, labels=["femur"], sizes={"a": (50, 40)}, **options)]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (["a", "femur", 20.0, 0.0, 10.0, 10.0], "size"),
        (["a", "femur", 20.0, 10.0, 30.0, 10.0], "size"),
        (["a", "femur", 20.0, float("nan"), 30.0, 10.0], "number"),
        (["a", "femur", -1.0, 20.0, 30.0, 30.0], "outside"),
        (["a", "femur", 20.0, 20.0, 41.0, 30.0], "outside"),
        (["a", "femur", 20.0, 20.0, 30.0, 51.0], "outside"),
        (["a", "tibia", 20.0, 20.0, 30.0, 30.0], "label"),
        (["b", "femur", 20.0, 20.0, 30.0, 30.0], "picture"),
        (["a", None, 20.0, 20.0, 30.0, 30.0], "empty"),
        (["a", "femur", 0.0, 0.0, 10.0, 9.0], "twice"),
    ],
)
def test_one_fault(row, kind):
    assert kind in kinds([GOOD, row])


def test_no_fault():
    assert kinds([GOOD, ["a", "femur", 0.0, 0.0, 10.0, 7.9], ["a", "femur", 0.0, 20.0, 40.4, 50.4]]) == []


def test_a_double_is_named_with_its_twin():
    boxes = pd.DataFrame([GOOD, ["a", "femur", 30.0, 0.0, 40.0, 10.0], GOOD], columns=COLUMNS)
    with pytest.raises(LocaliseError, match=r"box 1 \(a\) and box 3 \(a\) \(1.00\)"):
        require_boxes(boxes)
    assert check_boxes(boxes.assign(score=0.5)) == []
    assert [problem.kind for problem in check_boxes(boxes.head(1).assign(score=1.5))] == ["score"]


def test_faults_are_listed_together():
    rows = [["a", "femur", 5.0, 5.0, 1.0, 9.0], ["b", "tibia", 0.0, 0.0, 9.0, 9.0]]
    with pytest.raises(LocaliseError, match=r"3 problem\(s\)"):
        require_boxes(pd.DataFrame(rows, columns=COLUMNS), labels=["femur"], sizes={"a": (50, 40)})


def test_a_radiograph_to_learn_from_without_boxes():
    boxes = pd.DataFrame([GOOD], columns=COLUMNS)
    found = check_boxes(boxes, sizes={"a": (50, 40), "b": (9, 9)}, all_boxed=True)
    assert [(problem.kind, problem.radiographs) for problem in found] == [("unboxed", ("b",))]


def test_labels_are_different_names():
    with pytest.raises(LocaliseError, match="different names"):
        require_boxes(pd.DataFrame([GOOD], columns=COLUMNS), labels=["femur", "femur"])


def test_reading_order():
    rows = [["b", "y", 0, 0, 1, 1], ["a", "y", 5, 0, 6, 1], ["a", "x", 0, 9, 1, 10], ["a", "y", 0, 0, 1, 1]]
    ordered = in_reading_order(pd.DataFrame(rows, columns=COLUMNS), ["b", "a"], ["y", "x"])
    assert ordered[["radiograph_id", "label", "x0"]].to_numpy().tolist() == [
        ["b", "y", 0],
        ["a", "y", 0],
        ["a", "y", 5],
        ["a", "x", 0],
    ]
