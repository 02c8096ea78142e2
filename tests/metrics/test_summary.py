import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as oracle

from tests.metrics.tables import MODELS, made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP
from xattn_bmd.metrics.paired.resampled_t import CORRECTED_T
from xattn_bmd.metrics.ranks import spearman_r
from xattn_bmd.metrics.regression import REGRESSION_METRICS
from xattn_bmd.metrics.screening import screening
from xattn_bmd.metrics.tables.comparisons import COMPARISON_COLUMNS, comparisons_table
from xattn_bmd.metrics.tables.layout import FOLDS, POOLED
from xattn_bmd.metrics.tables.regression import METRICS, METRICS_COLUMNS, metrics_table
from xattn_bmd.metrics.tables.screening import SCREENING_COLUMNS, screening_table, without_averages

LUNAR = get_reference("lunar_femoral_neck_white_female")
TABLE = made_up_table(patients=60)
KEYS = {"metrics": ["model", "metric", "method"], "screening": ["model", "threshold", "metric"]}


def of(table, model):
    rows = table[table["model"] == model]
    return rows["target"].to_numpy(), rows["prediction"].to_numpy()


def test_metrics_pooled_and_by_fold():
    result = metrics_table(TABLE, replicates=200)
    assert tuple(result.columns) == METRICS_COLUMNS
    functions = REGRESSION_METRICS | {"spearman_r": spearman_r}
    assert set(functions) == set(METRICS)
    assert result["metric"].tolist() == list(METRICS) * 2 * len(MODELS)
    indexed = result.set_index(KEYS["metrics"])
    for model in MODELS:
        rows = TABLE[TABLE["model"] == model]
        for name, metric in functions.items():
            pooled, folds = indexed.loc[(model, name, POOLED)], indexed.loc[(model, name, FOLDS)]
            assert pooled["value"] == pytest.approx(metric(*of(TABLE, model)))
            assert pooled["low"] < pooled["value"] < pooled["high"]
            by_fold = [metric(part["target"], part["prediction"]) for _, part in rows.groupby("fold")]
            assert folds["value"] == pytest.approx(np.mean(by_fold))
            assert folds["sd"] == pytest.approx(np.std(by_fold, ddof=1))
    assert (result["n"] == 60).all()


def screened(table, **draws):
    return without_averages(screening_table(table, LUNAR, **draws)).set_index(KEYS["screening"]).sort_index()


def test_screening_rows_equal_the_screening_function():
    result = screening_table(TABLE, LUNAR, replicates=200)
    assert tuple(result.columns) == SCREENING_COLUMNS
    indexed = screened(TABLE, replicates=200)
    for model in MODELS:
        for threshold in (-1.0, -2.5):
            expected = screening(*of(TABLE, model), reference=LUNAR, threshold=threshold)
            for name in ("accuracy", "sensitivity", "specificity", "precision", "recall", "f1", "auroc", "tp", "tn"):
                value = indexed.loc[(model, threshold, name), "value"]
                assert value == pytest.approx(getattr(expected, name), nan_ok=True)
    assert set(result["reference"]) == {LUNAR.name}
    assert set(result["positive"]) == {
        "low density: T < -1 (density < 0.899 g/cm²)",
        "low density: T <= -2.5 (density <= 0.691 g/cm²)",
    }


def test_one_class_only_is_nan_with_a_reason():
    healthy = TABLE.assign(target=TABLE["target"] + 1.0, prediction=TABLE["prediction"] + 1.0)
    rows = screened(healthy, replicates=50)
    assert np.isnan(rows.loc[("xattn", -1.0, "auroc"), "value"])
    assert rows.loc[("xattn", -1.0, "auroc"), "reason"] == "no radiograph is low"
    assert rows.loc[("xattn", -1.0, "precision"), "reason"] == "no radiograph is predicted low"
    assert rows.loc[("xattn", -1.0, "accuracy"), "value"] == 1.0


def test_a_rare_class_has_a_value_but_no_interval():
    rare = TABLE.copy()
    rare["target"] = 1.0 + rare["target"]
    rare.loc[rare["radiograph_id"] == "r0", "target"] = 0.6
    row = screened(rare, replicates=300).loc[("xattn", -2.5, "auroc")]
    assert not np.isnan(row["value"])
    assert np.isnan(row["low"])
    assert row["reason"].startswith("no interval: too many")


def test_comparisons_against_concat():
    result = comparisons_table(TABLE, replicates=400)
    assert tuple(result.columns) == COMPARISON_COLUMNS
    assert set(result["model_a"]) == {"xattn", "ridge"}
    row = result[result["test"] == PAIRED_BOOTSTRAP].set_index(["model_a", "metric"]).loc[("xattn", "mse")]
    a, b = (oracle.mean_squared_error(*of(TABLE, model)) for model in ("xattn", "concat"))
    assert row["difference"] == pytest.approx(a - b)
    assert row["relative"] == pytest.approx((a - b) / b)
    assert row["low"] < row["difference"] < row["high"]
    assert comparisons_table(TABLE, against="film").empty
    assert tuple(comparisons_table(TABLE, against="film").columns) == COMPARISON_COLUMNS


def test_row_order_changes_nothing():
    shuffled = TABLE.sample(frac=1, random_state=1)
    for make in (metrics_table, lambda t: screening_table(t, LUNAR), comparisons_table):
        first, second = make(TABLE), make(shuffled)
        keys = [name for name in ("model", "model_a", "threshold", "metric", "method") if name in first.columns]
        pd.testing.assert_frame_equal(
            first.sort_values(keys, ignore_index=True), second.sort_values(keys, ignore_index=True), check_exact=True
        )


def test_same_seed_same_table():
    pd.testing.assert_frame_equal(metrics_table(TABLE), metrics_table(TABLE), check_exact=True)
    assert not metrics_table(TABLE, seed=1)["low"].equals(metrics_table(TABLE)["low"])


def test_identical_repeats_change_nothing():
    again = pd.concat([TABLE, TABLE.assign(repeat=1)])
    for make in (metrics_table, lambda t: screening_table(t, LUNAR), comparisons_table):
        once, twice = make(TABLE), make(again)
        if "p_holm" in once.columns:  # A t-test over folds has more of them.
            once, twice = (table[table["test"] != CORRECTED_T].reset_index(drop=True) for table in (once, twice))
        columns = [name for name in once.columns if name != "sd"]
        pd.testing.assert_frame_equal(once[columns], twice[columns], rtol=1e-9)


def test_repeats_average_each_radiograph():
    table = made_up_table(patients=30, per_patient=2, repeats=3)
    rows = table[table["model"] == "xattn"]
    metrics = metrics_table(table).set_index(KEYS["metrics"])
    assert metrics.loc[("xattn", "mse", POOLED), "value"] == pytest.approx(
        oracle.mean_squared_error(rows["target"], rows["prediction"])
    )
    assert metrics.loc[("xattn", "mse", POOLED), ["n", "patients"]].tolist() == [60, 30]
    areas = [screening(part["target"], part["prediction"], reference=LUNAR).auroc for _, part in rows.groupby("repeat")]
    found = screened(table)
    assert found.loc[("xattn", -1.0, "auroc"), "value"] == pytest.approx(np.mean(areas))
    cells = [found.loc[("xattn", -1.0, cell), "value"] for cell in ("tp", "fn", "fp", "tn")]
    assert sum(cells) == pytest.approx(60)


def test_one_patient_has_values_without_intervals():
    table = made_up_table(patients=1, per_patient=4, folds=1)
    metrics = metrics_table(table)
    assert metrics["value"].notna().all()
    assert metrics["low"].isna().all()
    assert screening_table(table, LUNAR).query("metric == 'accuracy'")["reason"].str.contains("single patient").all()


def test_six_models_on_233_patients_are_fast():
    table = made_up_table(patients=233, models=("a", "concat", "c", "d", "e", "f"), folds=10)
    metrics_table(table, replicates=2)
    start = time.perf_counter()
    metrics_table(table)
    screening_table(table, LUNAR)
    comparisons_table(table)
    assert time.perf_counter() - start < 5.0


def test_importing_the_metrics_is_light():
    code = (
        "import sys, xattn_bmd.metrics.tables.screening, xattn_bmd.report.tables;"
        "print([m for m in ('torch', 'pandas', 'sklearn', 'scipy', 'rich') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
