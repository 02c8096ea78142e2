"""CSV, COCO and YOLO: what is written is read back; what is wrong is listed in one error."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_bmd import read_boxes, write_boxes
from xattn_bmd.errors import LocaliseError

COLUMNS = ["radiograph_id", "label", "x0", "y0", "x1", "y1"]
LABELS = ["femur", "vertebra L1"]
SIZES = {"a": (301, 203), "b.7": (64, 99), "ü": (2500, 2000)}


@st.composite
def box_tables(draw, *, scored):
    rows = []
    for name, (high, wide) in SIZES.items():
        for place in range(draw(st.integers(0, 3))):
            share = st.floats(0, 0.98, allow_subnormal=False)
            x, y = draw(share) * wide, draw(share) * high
            x1, y1 = (
                x + max(draw(st.floats(0.01, 1)) * (wide - x), 0.2),
                y + max(draw(st.floats(0.01, 1)) * (high - y), 0.2),
            )
            rows.append([name, LABELS[place % 2] if scored else f"{LABELS[0]}", x, y, x1, y1])
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.assign(score=np.linspace(0, 1, len(table))) if scored else table.groupby("radiograph_id").head(1)


@pytest.mark.parametrize("file", ["boxes.csv", "boxes.json", "yolo"])
@pytest.mark.parametrize("scored", [True, False])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_round_trip(file, scored, data):
    boxes = data.draw(box_tables(scored=scored)).reset_index(drop=True)
    if not len(boxes):
        return
    path = Path(tempfile.mkdtemp()) / file
    write_boxes(boxes, path, labels=LABELS, sizes=SIZES)
    again = read_boxes(path, labels=LABELS, sizes=SIZES)
    exact = file == "boxes.csv"
    if not exact:  # these keep boxes by radiograph
        again, boxes = (
            table.sort_values("radiograph_id", kind="stable", ignore_index=True) for table in (again, boxes)
        )
    pd.testing.assert_frame_equal(again, boxes, check_exact=exact, rtol=1e-9, atol=1e-9, check_dtype=False)


def test_yolo_by_hand(tmp_path):
    (tmp_path / "a.txt").write_text("1 0.5 0.25 0.5 0.5\n\n")
    boxes = read_boxes(tmp_path, labels=["x", "y"], sizes={"a": (100, 200)})
    assert boxes.to_numpy().tolist() == [["a", "y", 50.0, 0.0, 150.0, 50.0]]


def test_coco_by_hand(tmp_path):
    content = {
        "images": [{"id": 9, "file_name": "films/hip.7.png"}],
        "categories": [{"id": 4, "name": "femur"}],
        "annotations": [{"image_id": 9, "category_id": 4, "bbox": [10, 20, 30, 40]}],
    }
    (tmp_path / "b.json").write_text(json.dumps(content))
    assert read_boxes(tmp_path / "b.json").to_numpy().tolist() == [["hip.7", "femur", 10.0, 20.0, 40.0, 60.0]]


def test_yolo_problems_are_all_listed(tmp_path):
    lines = ["0 0.5 0.5 0.2", "0 0.5 0.5 1.2 0.2", "3 0.5 0.5 0.2 0.2", "0 0.95 0.5 0.2 0.2", "0 a 0.5 0.2 0.2"]
    lines += ["0 .1 .1 .2 .1 .2 .2 .1 .2"]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    (tmp_path / "stranger.txt").write_text("0 0.5 0.5 0.2 0.2")
    with pytest.raises(LocaliseError) as error:
        read_boxes(tmp_path, labels=["femur"], sizes={"a": (100, 100)})
    text = str(error.value)
    for words in (
        "line 1: a row is class x y width height, and a score or not, but this one has 4 values",
        "line 2: values are shares",
        "line 3: a class is a whole number from 0 to 0",
        "line 5: values are shares",
        "line 6: a row is class x y width height, and a score or not, but this one has 9 values; outlines='box'",
        "stranger.txt has none",
        "A box lies inside its radiograph, but 1",
    ):
        assert words in text
    assert text.startswith("The boxes have 7 problem(s)")


def test_an_outline_becomes_the_box_around_it_where_this_is_asked_for(tmp_path):
    (tmp_path / "a.txt").write_text("0 .1 .2 .3 .1 .4 .5 .2 .6 .1 .3")
    boxes = read_boxes(tmp_path, labels=["femur"], sizes={"a": (100, 10)}, outlines="box")
    np.testing.assert_allclose(boxes[COLUMNS[2:]].to_numpy(), [[1, 10, 4, 60]])


@pytest.mark.parametrize(
    ("content", "words"),
    [("{}", "COCO boxes are JSON with images"), ("[1", "COCO boxes are JSON with images")],
)
def test_no_coco_at_all(tmp_path, content, words):
    (tmp_path / "b.json").write_text(content)
    with pytest.raises(LocaliseError, match=words):
        read_boxes(tmp_path / "b.json")


def test_coco_problems_are_all_listed(tmp_path):
    content = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "femur"}]}
    right = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    content["annotations"] = [right, right | {"image_id": 2}, right | {"category_id": 2}, right | {"bbox": [1, 2, 3]}]
    (tmp_path / "b.json").write_text(json.dumps(content))
    with pytest.raises(LocaliseError, match="3 problem") as error:
        read_boxes(tmp_path / "b.json")
    assert all(f"Annotation {number}:" in str(error.value) for number in (2, 3, 4))


def test_csv_without_a_column_or_with_words(tmp_path):
    (tmp_path / "b.csv").write_text("radiograph_id,label,x0,y0,x1\na,femur,1,2,3\n")
    with pytest.raises(LocaliseError, match=r"\['y1'\] is missing"):
        read_boxes(tmp_path / "b.csv")
    (tmp_path / "b.csv").write_text("radiograph_id,label,x0,y0,x1,y1\na,femur,one,2,3,9\n,femur,1,2,3,9\n")
    with pytest.raises(LocaliseError, match="finite numbers, but 1") as error:
        read_boxes(tmp_path / "b.csv")
    assert "has a radiograph_id and a label, but 1" in str(error.value)


def test_yolo_needs_names_and_sizes_and_a_new_folder(tmp_path):
    with pytest.raises(LocaliseError, match="pass labels"):
        read_boxes(tmp_path, labels=["femur"])
    boxes = pd.DataFrame([["a/b", "femur", 0.0, 0.0, 9.0, 9.0]], columns=COLUMNS)
    with pytest.raises(LocaliseError, match="exists"):
        write_boxes(boxes, tmp_path, labels=["femur"], sizes={"a/b": (9, 9)})
    with pytest.raises(LocaliseError, match="'a/b'"):
        write_boxes(boxes, tmp_path / "new", labels=["femur"], sizes={"a/b": (9, 9)})
    assert not (tmp_path / "new").exists()
    with pytest.raises(LocaliseError, match="holds none"):
        read_boxes(tmp_path, labels=["femur"], sizes={})
