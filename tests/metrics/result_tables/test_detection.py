"""The table of mAP: labels, intervals by patient, refusals."""

import numpy as np
import pandas as pd
import pytest

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.detection import average_precision
from xattn_bmd.metrics.intervals import patient_draws
from xattn_bmd.metrics.tables.detection import DETECTION_COLUMNS, detection_table

COLUMNS = ["radiograph_id", "label", "x0", "y0", "x1", "y1"]


@pytest.fixture
def truth():
    rows = [
        [f"r{row}", label, place, 0.0, place + 10.0, 10.0] for row in range(6) for place, label in ((0, "a"), (50, "b"))
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.fixture
def patients():
    return {f"r{row}": f"p{row // 2}" for row in range(6)}


def test_map_is_the_mean_over_labels(truth, patients):
    found = truth[truth["label"] == "a"].assign(score=0.9)
    table = detection_table(truth, found, patients=patients, replicates=20)
    assert tuple(table.columns) == DETECTION_COLUMNS
    values = table.set_index(["metric", "label"])["value"]
    assert values["map50", "a"] == 1 and values["map50", "b"] == 0 and values["map50", "all"] == 0.5
    assert table["boxes"].tolist()[:3] == [12, 6, 6]
    assert (table["n"] == 6).all() and (table["patients"] == 3).all()


def test_a_box_of_another_label_is_no_hit(truth, patients):
    found = truth.assign(score=0.5, label=np.where(truth["label"] == "a", "b", "a"))
    assert detection_table(truth, found, patients=patients, replicates=5)["value"].max() == 0


def test_the_interval_draws_patients(truth):
    """Every found box of a patient is right or wrong together, so each replicate follows from the patients drawn."""
    one = truth[truth["label"] == "a"].reset_index(drop=True)
    found = one.assign(score=np.linspace(0.9, 0.4, 6))
    found.loc[found["radiograph_id"].isin(["r2", "r3"]), ["y0", "y1"]] += 100
    people = {"r0": "p0", "r1": "p0", "r2": "p1", "r3": "p1", "r4": "p1", "r5": "p2"}
    table = detection_table(one, found, patients=people, seed=3, replicates=400).set_index("metric")
    hits = np.array([True, True, False, False, True, True])
    weights = patient_draws(3, seed=3, replicates=400).weights[1:401].astype(float)[:, [0, 0, 1, 1, 1, 2]]
    expected = average_precision(hits, weights=weights, truth=weights.sum(axis=1))
    low, high = np.quantile(expected, [0.025, 0.975])
    assert table.loc["map50", "percentile_low"] == pytest.approx(low)
    assert table.loc["map50", "percentile_high"] == pytest.approx(high)
    assert table.loc["map50", "low"] < table.loc["map50", "value"]


def test_nothing_found_is_zero_not_an_error(truth, patients):
    table = detection_table(truth, truth.head(0).assign(score=[]), patients=patients, replicates=5)
    assert (table["value"] == 0).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda truth, found: (truth.drop(columns="x0"), found), "x0 is missing"),
        (lambda truth, found: (truth, found.drop(columns="score")), "score is missing"),
        (lambda truth, found: (truth, found.assign(radiograph_id="other")), "'other'"),
        (lambda truth, found: (truth.head(0), found), "one or more true boxes"),
    ],
)
def test_refusals(truth, patients, change, words):
    true, found = change(truth, truth.assign(score=0.5))
    with pytest.raises(MetricError, match=words):
        detection_table(true, found, patients=patients, replicates=5)
