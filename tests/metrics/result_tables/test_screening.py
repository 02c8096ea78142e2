import io

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as oracle

from tests.metrics.tables import MODELS, made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import density_at
from xattn_bmd.errors import ConfigError, MetricError
from xattn_bmd.metrics.crossfit import FittingRows
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.risk import risk
from xattn_bmd.metrics.screening import NO_RISK, SCREENING_METRICS, screening
from xattn_bmd.metrics.tables.screening import (
    EITHER_CLASS,
    SCREENING_COLUMNS,
    screening_table,
    without_averages,
)

LUNAR = get_reference("lunar_femoral_neck_white_female")
TABLE = made_up_table(patients=60)
KEY = ["model", "threshold", "metric", "average"]


def calibration_for(grid, *, rows=12):
    rng = np.random.default_rng(0)
    given = {}
    for model in grid.predictions:
        for repeat in grid.repeat_labels:
            for fold in grid.fold_labels:
                prediction = rng.normal(0.88, 0.1, rows)
                given[model, repeat, fold] = FittingRows(prediction + rng.normal(0, 0.05, rows), prediction)
    return given


def test_keys_are_unique_and_averages_are_where_they_belong():
    result = screening_table(TABLE, LUNAR, replicates=50)
    assert tuple(result.columns) == SCREENING_COLUMNS
    assert not result.duplicated(KEY).any()
    assert len(result) == len(MODELS) * 2 * (len(SCREENING_METRICS) + 2 * 3 + 4)
    averaged = result[result["average"].isin(["macro", "weighted"])]
    assert set(averaged["metric"]) == {"precision", "recall", "f1"}
    assert set(result.loc[result["average"] == "", "metric"]) == set(EITHER_CLASS)


@pytest.mark.parametrize("threshold", [-1.0, -1.5, -2.5])
def test_every_row_is_that_of_the_screening_function(threshold):
    result = screening_table(TABLE, LUNAR, thresholds=[threshold], replicates=50)
    assert set(result["threshold"]) == {threshold}
    grid = prediction_grid(TABLE)
    for model in MODELS:
        given = risk(grid, model=model, reference=LUNAR, threshold=threshold).probability[0]
        rows = result[result["model"] == model].set_index(["metric", "average"])["value"]
        for average in ("positive", "macro", "weighted"):
            expected = screening(
                grid.target,
                grid.predictions[model][0],
                reference=LUNAR,
                threshold=threshold,
                average=average,
                risk=given,
            )
            for metric, over in rows.index:
                if over in ("", average):
                    assert rows[metric, over] == pytest.approx(getattr(expected, metric), nan_ok=True)


def test_macro_and_weighted_are_scikit_learns():
    result = screening_table(TABLE, LUNAR, thresholds=[-1.0], replicates=50).set_index(KEY)["value"]
    rows = TABLE[TABLE["model"] == "ridge"]
    cut = float(density_at(-1.0, reference=LUNAR))
    low, called = rows["target"] < cut, rows["prediction"] < cut
    for average in ("macro", "weighted"):
        expected = oracle.precision_recall_fscore_support(low, called, average=average)[:3]
        found = [result["ridge", -1.0, metric, average] for metric in ("precision", "recall", "f1")]
        assert found == pytest.approx(expected)


def test_weighted_recall_is_the_accuracy_with_its_interval():
    result = screening_table(TABLE, LUNAR, replicates=200).set_index(KEY).sort_index()
    columns = ["value", "low", "high", "percentile_low", "percentile_high"]
    for model in MODELS:
        weighted, accuracy = (
            result.loc[(model, -1.0, metric, average), columns]
            for metric, average in (("recall", "weighted"), ("accuracy", ""))
        )
        assert weighted.tolist() == accuracy.tolist()


def test_brier_says_what_its_risk_was_fitted_on():
    grid = prediction_grid(TABLE)
    others = screening_table(TABLE, LUNAR, replicates=50)
    inner = screening_table(TABLE, LUNAR, calibration=calibration_for(grid), replicates=50)
    for result, on in ((others, "other folds"), (inner, "inner validation part")):
        assert set(result.loc[result["metric"] == "brier", "fitted_on"]) == {on}
        assert set(result.loc[result["metric"] != "brier", "fitted_on"]) == {""}
    same = others["metric"] != "brier"
    pd.testing.assert_frame_equal(others[same], inner[same], check_exact=True)
    assert (others.loc[~same, "value"].to_numpy() != inner.loc[~same, "value"].to_numpy()).all()


def test_a_single_fold_has_no_brier_score_and_says_why():
    result = screening_table(made_up_table(folds=1), LUNAR, replicates=50)
    brier = result[result["metric"] == "brier"]
    assert brier["value"].isna().all() and set(brier["reason"]) == {NO_RISK} and set(brier["fitted_on"]) == {""}


def test_what_is_nan_has_a_reason():
    healthy = TABLE.assign(target=TABLE["target"] + 1.0, prediction=TABLE["prediction"] + 1.0)
    for table in (healthy, made_up_table(patients=1, per_patient=3, folds=1), made_up_table(patients=3, folds=3)):
        result = screening_table(table, LUNAR, replicates=50)
        undefined = result[result["value"].isna()]
        assert len(undefined) and (undefined["reason"] != "").all()
        no_interval = result[result["low"].isna() & ~result["metric"].isin(["tp", "fn", "fp", "tn"])]
        assert (no_interval["reason"] != "").all()


def test_one_row_per_metric_without_averages_also_when_read_again():
    result = screening_table(TABLE, LUNAR, replicates=50)
    again = pd.read_csv(io.StringIO(result.to_csv(index=False)))
    for table in (result, again):
        kept = without_averages(table)
        assert not kept.duplicated(["model", "threshold", "metric"]).any()
        assert set(kept["metric"]) == {*SCREENING_METRICS, "tp", "fn", "fp", "tn"}


def test_a_threshold_named_twice_is_scored_once():
    once, twice = (screening_table(TABLE, LUNAR, thresholds=each, replicates=20) for each in ([-2.0], [-2.0, -2.0]))
    pd.testing.assert_frame_equal(once, twice)


def test_refused():
    with pytest.raises(ConfigError, match="T-score"):
        screening_table(TABLE, LUNAR, thresholds=[float("nan")])
    with pytest.raises(MetricError, match="has rows for every scored fold"):
        screening_table(TABLE, LUNAR, calibration={}, replicates=20)
