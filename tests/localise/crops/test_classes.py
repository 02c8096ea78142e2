"""Crops with a class each: from drawn and from found boxes, with every fault told."""

import numpy as np
import pandas as pd
import pytest

from tests.localise.squares import COLUMNS, write_squares
from xattn_bmd import Cohort, crop_classes, read_radiograph
from xattn_bmd.data.roles import ClassRole
from xattn_bmd.errors import ConfigError, LocaliseError
from xattn_bmd.localise.crops.classes import match_classes
from xattn_bmd.localise.crops.cohort import crop_cohort
from xattn_bmd.simulate import simulate_cohort

CLASS = ClassRole(column="condition", classes=("normal", "old", "fresh"))
CORNERS = COLUMNS[2:]


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    cohort, boxes = write_squares(tmp_path_factory.mktemp("squares") / "c", pictures=3, patients=["p", "p", "q"])
    levels = boxes.groupby("radiograph_id").cumcount().map(lambda number: f"L{number + 1}")
    return cohort, boxes.assign(level=levels, condition=["normal", "old", "fresh"] * 2, person=["p"] * 4 + ["q"] * 2)


def detections(truth):
    """Every true box a little aside, one of them twice, one detection of nothing."""
    found = truth[COLUMNS].assign(score=np.linspace(0.9, 0.6, len(truth)))
    found[["x0", "x1"]] += 1.5
    again = found.iloc[[0]].assign(x0=found.x0[0] + 4, score=0.95)
    nothing = found.iloc[[2]].assign(x0=0.0, x1=4.0, y0=0.0, y1=4.0)
    return pd.concat([found, again, nothing], ignore_index=True)


def test_every_drawn_box_becomes_a_row_with_its_class(squares, tmp_path):
    cohort, truth = squares
    crops = crop_classes(cohort, truth, target=CLASS, out=tmp_path / "k", margin=0.2)
    assert crops.radiograph_ids == ("r00-L1", "r00-L2", "r01-L1", "r01-L2", "r02-L1", "r02-L2")
    assert crops.patient_ids == ("p", "p", "p", "p", "q", "q")
    assert crops.roles.target == CLASS and crops.table["condition"].tolist() == truth["condition"].tolist()
    row = crops.table.iloc[3]
    x0, y0, x1, y1 = (int(row[f"crop_{name}"]) for name in CORNERS)
    whole = read_radiograph(cohort.image_paths["r01"]).pixels
    np.testing.assert_array_equal(read_radiograph(crops.image_paths["r01-L2"]).pixels, whole[y0:y1, x0:x1])


def test_found_boxes_take_the_class_of_the_true_one(squares, tmp_path):
    """By hand: the duplicate of r00-L1 scores higher but overlaps too, so it takes the class and the first one goes."""
    cohort, truth = squares
    found = detections(truth)
    crops = crop_classes(cohort, truth, target=CLASS, out=tmp_path / "k", found=found, margin=0.0)
    assert crops.table["condition"].tolist() == truth["condition"].tolist()
    assert [float(value) for value in crops.table["box_score"]][:2] == [0.95, pytest.approx(0.84)]
    boxes, problems = match_classes(found, truth)
    assert problems == [] and boxes.x0.tolist() == [truth.x0[0] + 5.5, *(truth.x0[1:] + 1.5)]


def test_missed_boxes_are_told(squares, tmp_path):
    cohort, truth = squares
    found = detections(truth).drop(index=[3])
    with pytest.raises(LocaliseError, match=r"1 of 6 were missed: r01-L2"):
        crop_classes(cohort, truth, target=CLASS, out=tmp_path / "k", found=found)
    assert not (tmp_path / "k").exists()
    with pytest.warns(UserWarning, match="r01-L2"):
        crops = crop_classes(cohort, truth, target=CLASS, out=tmp_path / "k", found=found, on_problem="warn")
    assert len(crops) == 5


def test_nothing_found_is_an_error(squares, tmp_path):
    cohort, truth = squares
    with pytest.warns(UserWarning, match="6 of 6"), pytest.raises(LocaliseError, match="none of 6 was found"):
        crop_classes(
            cohort, truth, target=CLASS, out=tmp_path / "k", found=detections(truth).iloc[:0], on_problem="warn"
        )


def test_a_poor_detection_is_of_nothing(squares):
    _, truth = squares
    found = truth[COLUMNS].assign(score=0.9, x1=truth.x0 + 0.4 * (truth.x1 - truth.x0))
    boxes, problems = match_classes(found, truth)
    assert boxes.empty and len(problems[0].radiographs) == 3
    assert match_classes(found, truth, overlap=0.3)[1] == []


def test_twelve_vertebrae_are_twelve_rows(tmp_path):
    cohort, boxes = write_squares(tmp_path / "c", pictures=1, each=12, side=(96, 12 * 44))
    truth = boxes.assign(level=[f"V{number:02d}" for number in range(12)], condition="normal")
    assert len(crop_classes(cohort, truth, target=CLASS, out=tmp_path / "k")) == 12


@pytest.mark.parametrize(
    "change, words",
    [
        ({"condition": "broken"}, "normal, old, fresh, but broken"),
        ({"level": "L1"}, "L1 comes twice|r00-L1 comes twice"),
        ({"person": "z"}, "patient of its radiograph, but in r00"),
        ({"x1": 0.0}, "x0 < x1"),
        ({"level": ""}, "twice|empty"),
    ],
)
def test_a_faulty_table_is_refused(squares, tmp_path, change, words):
    cohort, truth = squares
    with pytest.raises(LocaliseError, match=words):
        crop_classes(cohort, truth.assign(**change), target=CLASS, out=tmp_path / "k")
    assert not (tmp_path / "k").exists()


def test_missing_columns_and_impossible_settings_are_told(squares, tmp_path):
    cohort, truth = squares
    with pytest.raises(LocaliseError, match=r"\['condition'\] is missing"):
        crop_classes(cohort, truth.drop(columns="condition"), target=CLASS, out=tmp_path / "k")
    with pytest.raises(LocaliseError, match="have a score"):
        match_classes(truth[COLUMNS], truth)
    with pytest.raises(ConfigError, match="overlap is a share"):
        match_classes(detections(truth), truth, overlap=0.0)
    with pytest.raises(LocaliseError, match="'stage' is none of"):
        crop_cohort(cohort, truth[COLUMNS], out=tmp_path / "k", named_by="stage")
    with pytest.raises(LocaliseError, match="'condition' is none of"):
        crop_cohort(cohort, truth[COLUMNS], out=tmp_path / "k", target=CLASS)


def test_simulated_spines_become_a_class_cohort(tmp_path):
    table = simulate_cohort(tmp_path / "s", n=2, preset="spine", seed=1, size=128, workers=1)
    vertebrae = pd.read_csv(tmp_path / "s/vertebrae.csv")
    crops = crop_classes(Cohort.from_csv(table), vertebrae, target=CLASS, out=tmp_path / "k")
    assert list(crops.radiograph_ids) == vertebrae.vertebra_id.tolist()
    assert crops.table.patient_id.tolist() == vertebrae.patient_id.tolist()
    assert crops.table.condition.tolist() == vertebrae.condition.tolist() and crops.roles.simulated
    first = read_radiograph(crops.image_paths[crops.radiograph_ids[0]])
    assert first.spacing_mm == pytest.approx((336 / 128, 336 / 128), abs=1e-5)
    assert crops.roles.target == CLASS and crops.roles.reference is None
