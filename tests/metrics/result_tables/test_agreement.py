import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from tests.metrics.tables import MODELS, made_up_table
from xattn_bmd.metrics.agreement import bland_altman
from xattn_bmd.metrics.crossfit import calibration_rows
from xattn_bmd.metrics.regression import mae, r2, rmse
from xattn_bmd.metrics.tables.agreement import AGREEMENT_COLUMNS, NOT_FITTED, agreement_table

TABLE = made_up_table(patients=60, per_patient=2)
METRICS = (
    *("bias", "sd_difference", "loa_low", "loa_high", "proportional_slope"),
    *("calibration_in_the_large", "calibration_slope", "calibration_intercept"),
    *("recalibrated_mae", "recalibrated_rmse", "recalibrated_r2"),
)
RESULT = agreement_table(TABLE, replicates=300).set_index(["model", "metric"])


def of(model, table=TABLE):
    rows = table[table["model"] == model]
    return rows["target"].to_numpy(), rows["prediction"].to_numpy()


def test_columns_and_rows():
    plain = RESULT.reset_index()
    assert tuple(plain.columns) == AGREEMENT_COLUMNS
    assert plain["metric"].tolist() == list(METRICS) * len(MODELS)
    assert set(plain["n"]) == {120}
    assert set(plain["patients"]) == {60}
    assert (plain["low"] < plain["value"]).all()
    assert (plain["value"] < plain["high"]).all()
    assert plain["p"].notna().eq(plain["metric"] == "proportional_slope").all()
    fitted = plain["metric"].str.startswith("recalibrated")
    assert set(plain.loc[fitted, "fitted_on"]) == {"other folds"}
    assert set(plain.loc[~fitted, "fitted_on"]) == {""}


@pytest.mark.parametrize("model", MODELS)
def test_values(model):
    target, prediction = of(model)
    expected, values = bland_altman(target, prediction), RESULT.loc[model]["value"]
    for metric, value in (("bias", expected.bias), ("sd_difference", expected.sd), ("loa_high", expected.high)):
        assert values[metric] == pytest.approx(value)
    observed = sm.OLS(target, sm.add_constant(prediction)).fit()
    assert [values["calibration_intercept"], values["calibration_slope"]] == pytest.approx(observed.params)
    assert values["calibration_in_the_large"] == pytest.approx(-values["bias"])
    patients = TABLE.loc[TABLE["model"] == model, "patient_id"]
    line = sm.OLS(prediction - target, sm.add_constant((prediction + target) / 2))
    test = line.fit(cov_type="cluster", cov_kwds={"groups": pd.factorize(patients)[0]}, use_t=True)
    assert values["proportional_slope"] == pytest.approx(test.params[1])
    assert RESULT.loc[(model, "proportional_slope"), "p"] == pytest.approx(test.pvalues[1])


def test_recalibrated_metrics_by_hand():
    rows = TABLE[TABLE["model"] == "ridge"]
    after = []
    for _, scored in rows.groupby("fold"):
        others = rows[rows["fold"] != scored["fold"].iloc[0]]
        slope, intercept = np.polyfit(others["prediction"], others["target"], 1)
        after.append(scored.assign(prediction=intercept + slope * scored["prediction"]))
    scored = pd.concat(after)
    for name, metric in (("mae", mae), ("rmse", rmse), ("r2", r2)):
        found = RESULT.loc[("ridge", f"recalibrated_{name}"), "value"]
        assert found == pytest.approx(metric(scored["target"], scored["prediction"]))


def test_intervals_draw_patients():
    alone = made_up_table(patients=60)
    twice = pd.concat([alone, alone.assign(radiograph_id="again " + alone["radiograph_id"])])
    columns = ["low", "high", "percentile_low", "percentile_high"]
    rows = ("bias", "loa_low", "proportional_slope", "calibration_slope")
    tables = [agreement_table(table, replicates=300) for table in (alone, twice)]
    one, two = (table[table["metric"].isin(rows)] for table in tables)
    np.testing.assert_allclose(one[columns], two[columns], atol=0.004)
    p = [t.loc[t["metric"] == "proportional_slope", "p"].to_numpy() for t in (one, two)]
    np.testing.assert_allclose(np.log(p[0]), np.log(p[1]), rtol=0.05, atol=0.05)


def test_bootstrap_and_analytic_limits_agree_for_one_radiograph_each():
    table = made_up_table(patients=300, models=("xattn",))
    found = agreement_table(table).set_index("metric").loc["loa_high"]
    expected = bland_altman(*of("xattn", table)).high_interval
    assert (found["low"], found["high"]) == pytest.approx(tuple(expected), abs=0.006)


def test_the_inner_part_is_named():
    result = agreement_table(TABLE, calibration=calibration_rows(TABLE), replicates=50)
    assert set(result["fitted_on"]) == {"", "inner validation part"}


def test_constant_predictions_are_shifted_and_said_to_be():
    table = TABLE.assign(prediction=0.7)
    result = agreement_table(table, replicates=50).set_index(["model", "metric"]).loc["xattn"]
    assert np.isnan(result.loc["calibration_slope", "value"])
    assert result.loc["recalibrated_mae", "fitted_on"] == (
        "other folds; shifted only in 5 of 5 fits: the predictions to fit on are constant"
    )
    assert result.loc["recalibrated_mae", "value"] < 0.15


def test_a_single_fold_has_nothing_to_fit_on():
    result = agreement_table(made_up_table(patients=20, folds=1), replicates=50).set_index(["model", "metric"])
    assert np.isnan(result.loc[("xattn", "recalibrated_r2"), "value"])
    assert result.loc[("xattn", "recalibrated_r2"), "fitted_on"] == NOT_FITTED
    assert not np.isnan(result.loc[("xattn", "bias"), "value"])


def test_one_patient_and_three_patients():
    one = agreement_table(made_up_table(patients=1, per_patient=3, folds=1)).set_index(["model", "metric"]).loc["xattn"]
    assert np.isnan(one.loc["bias", "low"])
    assert np.isnan(one.loc["proportional_slope", "p"])
    three = agreement_table(made_up_table(patients=3, folds=3)).set_index(["model", "metric"]).loc["xattn"]
    assert three.loc["bias", "low"] <= three.loc["bias", "value"] <= three.loc["bias", "high"]


def test_repeats_average_each_radiograph():
    table = made_up_table(patients=30, repeats=3)
    rows = table[table["model"] == "xattn"]
    found = agreement_table(table, replicates=50).set_index(["model", "metric"]).loc["xattn"]["value"]
    assert found["bias"] == pytest.approx((rows["prediction"] - rows["target"]).mean())
    assert found["calibration_slope"] == pytest.approx(np.polyfit(rows["prediction"], rows["target"], 1)[0])
    once, again = TABLE, pd.concat([TABLE, TABLE.assign(repeat=1)])
    first, second = (agreement_table(t, replicates=50) for t in (once, again))
    pd.testing.assert_frame_equal(first, second, rtol=1e-6)


def test_row_order_and_seed():
    shuffled = TABLE.sample(frac=1, random_state=1)
    first, second = (agreement_table(t, replicates=50).sort_values(["model", "metric"]) for t in (TABLE, shuffled))
    pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True))
    assert not agreement_table(TABLE, replicates=50, seed=1)["low"].equals(agreement_table(TABLE, replicates=50)["low"])
