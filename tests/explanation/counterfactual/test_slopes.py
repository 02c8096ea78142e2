"""Slopes of planted answers, and the whole road on a tiny model of simulated hips."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.training.settings import tiny
from xattn_bmd import Cohort, Predictor, compare, simulate_cohort
from xattn_bmd.errors import RunError
from xattn_bmd.explanation.counterfactual.answers import REGIONS
from xattn_bmd.explanation.counterfactual.changes import CHANGES
from xattn_bmd.explanation.counterfactual.figure import slope_figure
from xattn_bmd.explanation.counterfactual.slopes import counterfactual_slopes, slopes_of
from xattn_bmd.simulate.subjects import draw_hips

SIZE = 64


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("counterfactual")
    cohort = Cohort.from_csv(simulate_cohort(root / "hips", n=16, size=SIZE, workers=1, seed=3))
    config = tiny(models=("xattn", "ridge"), folds=2)
    config = replace(config, training=replace(config.training, epochs=1))
    return compare(cohort, out=root / "RUN", config=config, cache=root / "cache", progress=False)


@pytest.fixture(scope="module")
def people():
    return draw_hips(n=3, preset="hcs", seed=9)


@pytest.fixture(scope="module")
def measured(run, people, tmp_path_factory):
    out = tmp_path_factory.mktemp("measured") / "OUT"
    predictor = Predictor.from_run(run, "xattn")
    return counterfactual_slopes(predictor, people, changes=CHANGES[:2], out=out, size=SIZE), out


def _answers(slopes, change="mineral", patients=None):
    per = next(one.per for one in CHANGES if one.name == change)
    slopes = np.asarray(slopes, dtype=float)
    names = [f"p{number}" for number in range(len(slopes))] if patients is None else patients
    low = np.full(len(slopes), 0.8)
    return pd.DataFrame(
        {"patient_id": names, "change": change, "low": low, "high": low + 2 * per * slopes, "whole": slopes}
    )


def test_a_slope_is_the_mean_over_people_with_an_interval_of_patients():
    rng = np.random.default_rng(0)
    slopes = rng.normal(0.7, 0.2, size=80)
    row = slopes_of(_answers(slopes), changes=CHANGES[:1]).iloc[0]
    assert row["slope"] == pytest.approx(slopes.mean()) and row["ideal"] == 1.0
    half = 1.96 * slopes.std(ddof=1) / np.sqrt(80)
    assert row["high"] - row["low"] == pytest.approx(2 * half, rel=0.1)


def test_two_hips_of_one_patient_are_drawn_together():
    slopes = np.repeat(np.random.default_rng(1).normal(size=30), 2)
    paired = [f"p{number // 2}" for number in range(60)]
    width = [row["high"] - row["low"] for row in _rows(_answers(slopes), _answers(slopes, patients=paired))]
    assert width[1] == pytest.approx(np.sqrt(2) * width[0], rel=0.15)


def _rows(*tables):
    return [slopes_of(table, changes=CHANGES[:1]).iloc[0] for table in tables]


def test_the_whole_road(measured, people):
    slopes, out = measured
    assert list(slopes["change"].unique()) == ["mineral", "soft tissue"]
    assert list(slopes["region"][:5]) == ["whole", *REGIONS]
    assert (slopes["n"] == 3).all() and np.isfinite(slopes[["slope", "low", "high"]]).all(axis=None)
    answers = pd.read_csv(out / "answers.csv")
    assert len(answers) == 2 * len(people)
    mineral = answers[answers["change"] == "mineral"]
    np.testing.assert_allclose(mineral["whole"], (mineral["high"] - mineral["low"]) / 0.2, atol=1e-9)
    pd.testing.assert_frame_equal(pd.read_csv(out / "slopes.csv"), slopes, check_dtype=False)
    assert {path.name for path in out.glob("mineral/up/truth/*")} == {f"{hip.radiograph_id}.npz" for hip in people}


def test_the_parts_of_a_slope_make_the_whole(measured):
    answers = pd.read_csv(measured[1] / "answers.csv")
    parts = answers[list(REGIONS)].sum(axis=1)
    np.testing.assert_allclose(parts, answers["whole"], atol=0.05 * answers["whole"].abs().max())
    np.testing.assert_allclose(answers[[f"area_{name}" for name in REGIONS]].sum(axis=1), 1.0, atol=1e-6)
    assert (answers["area_neck"] < answers["area_femur"]).all() and (answers["area_neck"] > 0).all()


def test_a_model_of_the_record_alone_follows_nothing(run, people):
    slopes = counterfactual_slopes(Predictor.from_run(run, "ridge"), people[:2], changes=CHANGES[:1], size=SIZE)
    assert list(slopes["region"]) == ["whole"] and slopes["slope"].item() == 0.0


def test_people_of_the_training_and_existing_folders_are_refused(run, people, tmp_path):
    predictor = Predictor.from_run(run, "xattn")
    with pytest.raises(RunError, match=r"not trained on, but H3-00001, .* were; draw people with another seed"):
        counterfactual_slopes(predictor, draw_hips(n=16, preset="hcs", seed=3))
    with pytest.raises(RunError, match="exists; choose another name"):
        counterfactual_slopes(predictor, people, out=tmp_path)
    with pytest.raises(RunError, match="none was given"):
        counterfactual_slopes(predictor, [])


def test_the_figure_shows_every_change(measured):
    figure = slope_figure(measured[0])
    labels = [label.get_text() for axes in figure.axes for label in axes.get_yticklabels()]
    assert {"mineral", "soft tissue"} <= set(labels)
