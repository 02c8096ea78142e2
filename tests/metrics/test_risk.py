import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LinearRegression

from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import density_at
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.crossfit import FittingRows
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.risk import probability_below, risk

LUNAR = get_reference("lunar_femoral_neck_white_female")
TABLE = made_up_table(patients=40, repeats=2)


def expected_risk(grid, rows, repeat, *, target, prediction, threshold):
    line = LinearRegression().fit(prediction[:, None], target)
    residuals = target - line.predict(prediction[:, None])
    sd = np.sqrt((residuals**2).sum() / (len(target) - 2))
    mean = line.predict(grid.predictions["xattn"][repeat][rows][:, None])
    return norm.cdf(float(density_at(threshold, reference=LUNAR)), loc=mean, scale=sd)


@pytest.mark.parametrize("threshold", [-1.0, -2.5])
def test_each_fold_by_a_line_through_the_other_folds(threshold):
    grid = prediction_grid(TABLE)
    found = risk(grid, model="xattn", reference=LUNAR, threshold=threshold)
    assert found.on == "other folds"
    assert found.probability.shape == (2, 40)
    for repeat, folds in enumerate(grid.folds):
        for fold in np.unique(folds):
            rows, prediction = folds == fold, grid.predictions["xattn"][repeat]
            expected = expected_risk(
                grid,
                rows,
                repeat,
                target=grid.target[folds != fold],
                prediction=prediction[folds != fold],
                threshold=threshold,
            )
            np.testing.assert_allclose(found.probability[repeat, rows], expected, rtol=1e-9)


def test_the_scored_targets_have_no_say():
    table = made_up_table(patients=40)
    planted = table.assign(target=table["target"] + np.where(table["fold"] == 0, 0.3, 0.0))
    before, after = (
        risk(prediction_grid(each), model="xattn", reference=LUNAR, threshold=-1.0).probability[0]
        for each in (table, planted)
    )
    here = prediction_grid(table).folds[0] == 0
    np.testing.assert_array_equal(after[here], before[here])
    assert (after[~here] != before[~here]).all()


def test_calibration_rows_come_first():
    grid = prediction_grid(TABLE)
    rng = np.random.default_rng(0)
    rows = {}
    for repeat in range(2):
        for fold in range(5):
            prediction = rng.normal(0.88, 0.1, 12)
            rows["xattn", repeat, fold] = FittingRows(prediction + rng.normal(0, 0.05, 12), prediction)
    found = risk(grid, model="xattn", reference=LUNAR, threshold=-1.0, calibration=rows)
    assert found.on == "inner validation part"
    here = grid.folds[1] == 3
    target, prediction = rows["xattn", 1, 3][:2]
    expected = expected_risk(grid, here, 1, target=target, prediction=prediction, threshold=-1.0)
    np.testing.assert_allclose(found.probability[1, here], expected, rtol=1e-9)
    with pytest.raises(MetricError, match="model ridge, repeat 0, fold 0"):
        risk(grid, model="ridge", reference=LUNAR, threshold=-1.0, calibration=rows)


def test_a_gaussian_heads_own_sd_is_used_around_the_recalibrated_mean():
    headed = TABLE.assign(sd=np.where(TABLE["radiograph_id"] == "r0", 0.5, 0.02))
    plain, own = (
        risk(prediction_grid(table), model="xattn", reference=LUNAR, threshold=-1.0) for table in (TABLE, headed)
    )
    grid = prediction_grid(headed)
    unsure = grid.radiographs == "r0"
    # With the same mean, the sign of z is the same and only its size differs.
    assert (np.sign(plain.probability - 0.5) == np.sign(own.probability - 0.5)).all()
    assert (np.abs(own.probability - 0.5) > np.abs(plain.probability - 0.5))[:, ~unsure].all()
    assert (np.abs(own.probability - 0.5) < 0.25)[:, unsure].all()


def test_nothing_to_fit_on_is_nan():
    found = risk(prediction_grid(made_up_table(folds=1)), model="xattn", reference=LUNAR, threshold=-1.0)
    assert np.isnan(found.probability).all() and found.on == ""
    grid = prediction_grid(made_up_table(patients=10, folds=2))
    rows = {("xattn", 0, 0): FittingRows(np.array([0.8]), np.array([0.9])), ("xattn", 0, 1): FittingRows(*np.eye(2, 9))}
    found = risk(grid, model="xattn", reference=LUNAR, threshold=-1.0, calibration=rows)
    np.testing.assert_array_equal(np.isnan(found.probability), grid.folds == 0)  # one row has no SD


def test_probability_below_is_scipys():
    mean, sd = np.array([0.7, 0.9, 1.1]), np.array([0.05, 0.1, 0.2])
    np.testing.assert_allclose(probability_below(0.899, mean=mean, sd=sd), norm.cdf(0.899, mean, sd))
    certain = probability_below(0.9, mean=np.array([0.8, 0.9, 1.0]), sd=np.float64(0.0))
    assert certain.tolist() == [1.0, 0.5, 0.0]
    assert np.isnan(probability_below(0.9, mean=np.array([0.9, 0.8]), sd=np.float64("nan"))).all()


def test_risks_are_calibrated_where_the_model_holds():
    grid = prediction_grid(made_up_table(patients=3000, models=("xattn",)))
    found = risk(grid, model="xattn", reference=LUNAR, threshold=-1.0).probability[0]
    low = grid.target < float(density_at(-1.0, reference=LUNAR))
    for lower in np.arange(0, 1, 0.2):
        here = (found >= lower) & (found < lower + 0.2)
        assert low[here].mean() == pytest.approx(found[here].mean(), abs=0.05)
