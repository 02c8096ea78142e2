import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics.tables import made_up_table
from xattn_bmd.metrics.intervals import patient_bootstrap
from xattn_bmd.metrics.tables.calibration_curve import (
    CALIBRATION_CURVE_COLUMNS,
    calibration_curve_table,
    quantile_bins,
)

TABLE = made_up_table(patients=120)


def test_bins_are_those_of_pandas():
    result = calibration_curve_table(TABLE, replicates=200)
    assert tuple(result.columns) == CALIBRATION_CURVE_COLUMNS
    for model, found in result.groupby("model"):
        rows = TABLE[TABLE["model"] == model]
        expected = rows.groupby(pd.qcut(rows["prediction"], 10), observed=True)
        np.testing.assert_allclose(found["predicted"], expected["prediction"].mean())
        np.testing.assert_allclose(found["observed"], expected["target"].mean())
        assert found["n"].tolist() == expected.size().tolist()
        assert found["bin"].tolist() == list(range(10))
    assert ((result["low"] < result["observed"]) & (result["observed"] < result["high"])).all()


def test_a_perfect_model_lies_on_the_diagonal():
    result = calibration_curve_table(TABLE.assign(prediction=TABLE["target"]), replicates=50)
    np.testing.assert_allclose(result["observed"], result["predicted"])


def test_the_interval_draws_patients_within_fixed_bins():
    table = made_up_table(patients=60, per_patient=2, models=("xattn",))
    found = calibration_curve_table(table, bins=3, replicates=2000).iloc[1]
    codes = quantile_bins(table["prediction"].to_numpy(), bins=3) == 1
    weights = patient_bootstrap(table["patient_id"], replicates=2000) * codes
    means = weights @ table["target"].to_numpy() / weights.sum(axis=1)
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.01)


@given(values=st.lists(st.integers(0, 6), min_size=1, max_size=40), bins=st.integers(1, 10))
@settings(deadline=None)
def test_ties_stay_together_in_order(values, bins):
    prediction = np.array(values) / 10
    codes = quantile_bins(prediction, bins=bins)
    assert set(codes) == set(range(codes.max() + 1))
    assert codes.max() < bins
    order = np.argsort(prediction, kind="stable")
    assert (np.diff(codes[order]) >= 0).all()
    assert all(len(set(codes[prediction == value])) == 1 for value in prediction)


def test_small_and_constant_models_have_fewer_bins():
    assert len(calibration_curve_table(made_up_table(patients=25, models=("xattn",)), replicates=20)) == 2
    assert len(calibration_curve_table(made_up_table(patients=3, models=("xattn",)), replicates=20)) == 1
    constant = calibration_curve_table(TABLE.assign(prediction=0.9), replicates=20)
    assert constant["bin"].tolist() == [0, 0, 0]
    assert set(constant["n"]) == {120}
    alone = calibration_curve_table(made_up_table(patients=1, folds=1), replicates=20)
    assert alone["low"].isna().all()


def test_repeats_weigh_each_radiograph_once():
    again = pd.concat([TABLE, TABLE.assign(repeat=1)])
    once, twice = (calibration_curve_table(table, replicates=50) for table in (TABLE, again))
    np.testing.assert_allclose(once["observed"], twice["observed"], atol=0.01)
    assert twice["n"].between(once["n"] - 1, once["n"] + 1).all()
    table = made_up_table(patients=60, repeats=2, models=("xattn",))
    codes = quantile_bins(table["prediction"].to_numpy(), bins=6)
    expected = table.groupby(codes)["target"].mean()
    np.testing.assert_allclose(calibration_curve_table(table, replicates=20)["observed"], expected)
