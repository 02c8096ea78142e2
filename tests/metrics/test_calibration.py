import math

import numpy as np
import pytest
import statsmodels.api as sm

from tests.metrics.tables import made_up_table
from xattn_bmd.metrics.calibration import Recalibration, calibration_from_sums, fit_recalibration, recalibrated
from xattn_bmd.metrics.crossfit import FittingRows, calibration_rows
from xattn_bmd.metrics.least_squares import line_terms
from xattn_bmd.metrics.predictions import prediction_grid

RNG = np.random.default_rng(0)
TARGET = RNG.normal(0.88, 0.147, 80)
PREDICTION = 0.80 + 0.6 * (TARGET - 0.88) + RNG.normal(0, 0.08, 80)


def test_statsmodels_agrees():
    found = calibration_from_sums(line_terms(PREDICTION, TARGET).sum(axis=0))
    line = sm.OLS(TARGET, sm.add_constant(PREDICTION)).fit()
    assert [found["calibration_intercept"], found["calibration_slope"]] == pytest.approx(line.params)
    assert found["calibration_in_the_large"] == pytest.approx(np.mean(TARGET - PREDICTION))
    fitted = fit_recalibration(FittingRows(TARGET, PREDICTION))
    assert (fitted.intercept, fitted.slope) == pytest.approx(tuple(line.params))
    assert fitted.residual_sd == pytest.approx(math.sqrt(line.mse_resid))
    assert fitted.reason == ""


@pytest.mark.parametrize(
    ("rows", "expected", "reason"),
    [
        (slice(0, 0), (0.0, 1.0), "no row"),
        (slice(0, 1), (float(TARGET[0] - PREDICTION[0]), 1.0), "fewer than 3 rows"),
        (slice(0, 2), (float(np.mean(TARGET[:2] - PREDICTION[:2])), 1.0), "fewer than 3 rows"),
    ],
)
def test_few_rows_only_shift(rows, expected, reason):
    fitted = fit_recalibration(FittingRows(TARGET[rows], PREDICTION[rows]))
    assert (fitted.intercept, fitted.slope) == pytest.approx(expected)
    assert reason in fitted.reason
    assert math.isnan(fitted.residual_sd) == (len(TARGET[rows]) < 2)
    assert not fit_recalibration(FittingRows(TARGET[:3], PREDICTION[:3])).reason


def test_constant_predictions_only_shift():
    fitted = fit_recalibration(FittingRows(TARGET, np.full(80, 0.7)))
    assert fitted.slope == 1.0
    assert fitted(np.array([0.7])) == pytest.approx(TARGET.mean())
    assert fitted.residual_sd == pytest.approx(TARGET.std(ddof=1))
    assert "constant" in fitted.reason


def test_every_repeat_is_recalibrated_by_its_own_lines():
    table = made_up_table(patients=60, repeats=2, models=("xattn",))
    grid = prediction_grid(table)
    after, fits = recalibrated(grid, model="xattn")
    for fit in fits:
        prediction = grid.predictions["xattn"][fit.repeat]
        slope, intercept = np.polyfit(prediction[~fit.rows], grid.target[~fit.rows], 1)
        expected = intercept + slope * prediction[fit.rows]
        np.testing.assert_allclose(after.predictions["xattn"][fit.repeat, fit.rows], expected)
    assert len(fits) == 10


def test_recalibration_undoes_a_distortion():
    table = made_up_table(patients=200)
    table["prediction"] = 0.3 + 0.5 * table["target"]
    after, fits = recalibrated(prediction_grid(table), model="xattn")
    np.testing.assert_allclose(after.predictions["xattn"][0], after.target, atol=1e-12)
    assert list(after.predictions) == ["xattn"]
    assert {fit.on for fit in fits} == {"other folds"}


def test_a_scored_fold_never_reaches_its_own_line():
    table = made_up_table(patients=30, repeats=2)
    grid = prediction_grid(table)
    changed = table.copy()
    rows = (changed["repeat"] == 1) & (changed["fold"] == 2)
    scored = changed.loc[rows, "radiograph_id"].unique()
    changed.loc[changed["radiograph_id"].isin(scored), "target"] += 0.3
    _, before = recalibrated(grid, model="xattn")
    _, after = recalibrated(prediction_grid(changed), model="xattn")
    same = [a.fitted == b.fitted for a, b in zip(before, after, strict=True)]
    mine = [fit.repeat == 1 and set(grid.radiographs[fit.rows]) == set(scored) for fit in before]
    assert sum(mine) == 1
    assert same[mine.index(True)]
    assert not all(same)


def test_the_inner_part_is_used_where_there_is_one():
    table = made_up_table(patients=30)
    inner = calibration_rows(table.assign(target=2 * table["prediction"] - 0.5))
    after, fits = recalibrated(prediction_grid(table), model="ridge", calibration=inner)
    assert all((fit.fitted.intercept, fit.fitted.slope) == pytest.approx((-0.5, 2.0)) for fit in fits)
    assert {fit.on for fit in fits} == {"inner validation part"}
    np.testing.assert_allclose(after.predictions["ridge"], 2 * prediction_grid(table).predictions["ridge"] - 0.5)


def test_nothing_to_fit_on_is_nan():
    after, fits = recalibrated(prediction_grid(made_up_table(patients=10, folds=1)), model="xattn")
    assert fits == []
    assert np.isnan(after.predictions["xattn"]).all()


def test_a_recalibration_is_a_line():
    assert Recalibration(intercept=0.1, slope=2.0, residual_sd=0.1)(np.array([[0.5]])) == pytest.approx(1.1)
