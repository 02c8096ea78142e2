import functools
import math

import numpy as np
import pandas as pd
import pytest
from MLstatkit import Delong_test
from scipy import stats
from sklearn import metrics as oracle
from statsmodels.stats.contingency_tables import mcnemar

from tests.metrics.oracles import statsmodels_holm
from tests.metrics.tables import made_up_table
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP
from xattn_bmd.metrics.paired.delong import DELONG
from xattn_bmd.metrics.paired.mcnemar import MCNEMAR_CLUSTERED, MCNEMAR_EXACT
from xattn_bmd.metrics.paired.resampled_t import CORRECTED_T
from xattn_bmd.metrics.paired.wilcoxon import WILCOXON
from xattn_bmd.metrics.tables.comparisons import COMPARISON_COLUMNS, comparisons_table

LUNAR = get_reference("lunar_femoral_neck_white_female")
TABLE = made_up_table(patients=60)
CUTS = {-1.0: LUNAR.mean - LUNAR.sd, -2.5: LUNAR.mean - 2.5 * LUNAR.sd}


def compared(table=None, **options):
    """Return the comparisons of a table, or those of ``TABLE``, which are made once; not to be changed."""
    if table is None and not options:
        return of_table()
    return comparisons_table(TABLE if table is None else table, reference=LUNAR, replicates=200, **options)


@functools.cache
def of_table():
    return comparisons_table(TABLE, reference=LUNAR, replicates=200)


def row(result, metric, test, threshold=math.nan, model="xattn"):
    same = result["threshold"].isna() if math.isnan(threshold) else result["threshold"] == threshold
    found = result[(result["model_a"] == model) & (result["metric"] == metric) & (result["test"] == test) & same]
    assert len(found) == 1
    return found.iloc[0]


def densities(table=TABLE):
    wide = table.pivot(index=["radiograph_id", "target"], columns="model", values="prediction").reset_index()
    return wide["target"].to_numpy(), wide["xattn"].to_numpy(), wide["concat"].to_numpy()


def test_every_test_is_there_once_per_model():
    result = compared()
    assert tuple(result.columns) == COMPARISON_COLUMNS
    assert set(result["test"]) == {PAIRED_BOOTSTRAP, CORRECTED_T, WILCOXON, DELONG, MCNEMAR_EXACT}
    assert not result.duplicated(["model_a", "model_b", "metric", "threshold", "test"]).any()
    assert set(result["model_a"]) == {"xattn", "ridge"}
    assert (result["model_b"] == "concat").all()
    assert set(result.loc[result["threshold"].notna(), "metric"]) == {"auroc", "accuracy", "sensitivity", "specificity"}
    assert comparisons_table(TABLE, replicates=50)["threshold"].isna().all()
    assert comparisons_table(TABLE, reference=LUNAR, against="film").empty


def test_bootstrap_of_regression_metrics_and_areas():
    target, a, b = densities()
    mse = row(compared(), "mse", PAIRED_BOOTSTRAP)
    before, after = oracle.mean_squared_error(target, b), oracle.mean_squared_error(target, a)
    assert mse["difference"] == pytest.approx(after - before)
    assert mse["relative"] == pytest.approx((after - before) / before)
    assert mse["low"] < mse["difference"] < mse["high"]
    for threshold, cut in CUTS.items():
        low = target < cut
        area = row(compared(), "auroc", PAIRED_BOOTSTRAP, threshold)
        assert area["difference"] == pytest.approx(oracle.roc_auc_score(low, -a) - oracle.roc_auc_score(low, -b))


def test_bootstrap_interval_and_p_agree():
    result = compared().query("test == @PAIRED_BOOTSTRAP").dropna(subset=["low"])
    excludes = (result["low"] > 0) | (result["high"] < 0)
    # p counts one replicate more than the interval does.
    clear = (result["p"] - 0.05).abs() > 0.02
    assert (excludes == (result["p"] < 0.05))[clear].all()


def test_corrected_t_over_the_folds():
    wide = TABLE.assign(error=(TABLE["prediction"] - TABLE["target"]).abs()).groupby(["model", "fold"])["error"].mean()
    differences = (wide["xattn"] - wide["concat"]).to_numpy()
    result = row(compared(), "mae", CORRECTED_T)
    error = math.sqrt(differences.var(ddof=1) * (1 / 5 + 1 / 4))
    assert result["difference"] == pytest.approx(differences.mean())
    assert result["p"] == pytest.approx(2 * stats.t.sf(abs(differences.mean()) / error, 4))
    folds = TABLE[TABLE["model"] == "xattn"].groupby("fold")
    r2 = [oracle.r2_score(fold["target"], fold["prediction"]) for _, fold in folds]
    other = [oracle.r2_score(f["target"], f["prediction"]) for _, f in TABLE.query("model == 'concat'").groupby("fold")]
    assert row(compared(), "r2", CORRECTED_T)["difference"] == pytest.approx(np.mean(r2) - np.mean(other))


def test_repeats_enter_the_corrected_t():
    table = made_up_table(patients=60, repeats=3)
    once = np.array(
        [
            oracle.mean_squared_error(part["target"], part["prediction"])
            for _, part in table[table["model"] == "xattn"].groupby(["repeat", "fold"])
        ]
    )
    other = np.array(
        [
            oracle.mean_squared_error(part["target"], part["prediction"])
            for _, part in table[table["model"] == "concat"].groupby(["repeat", "fold"])
        ]
    )
    error = math.sqrt((once - other).var(ddof=1) * (1 / 15 + 1 / 4))
    result = row(compared(table), "mse", CORRECTED_T)
    assert result["p"] == pytest.approx(2 * stats.t.sf(abs((once - other).mean()) / error, 14))


def test_wilcoxon_delong_and_mcnemar_equal_their_oracles():
    target, a, b = densities()
    result = compared()
    errors = np.abs(a - target), np.abs(b - target)
    assert row(result, "mae", WILCOXON)["p"] == pytest.approx(stats.wilcoxon(*errors).pvalue)
    for threshold, cut in CUTS.items():
        low = target < cut
        _, p = Delong_test(low.astype(int), -a, -b, return_ci=False, return_auc=False)
        assert row(result, "auroc", DELONG, threshold)["p"] == pytest.approx(p)
        right_a, right_b = (a < cut) == low, (b < cut) == low
        for metric, rows in (("accuracy", low | ~low), ("sensitivity", low), ("specificity", ~low)):
            cells = [[((right_a == x) & (right_b == y) & rows).sum() for y in (True, False)] for x in (True, False)]
            found = row(result, metric, MCNEMAR_EXACT, threshold)
            assert found["p"] == pytest.approx(mcnemar(cells, exact=True).pvalue)
            assert found["n"] == rows.sum()
            assert found["difference"] == pytest.approx(right_a[rows].mean() - right_b[rows].mean())


def test_holm_adjusts_over_the_models_within_one_metric_threshold_and_test():
    models = ("xattn", "concat", "ridge", "trees")
    result = compared(made_up_table(patients=60, models=models))
    families = result.groupby(["metric", "threshold", "test"], dropna=False)
    assert set(families.size()) == {3}
    for _, family in families:
        if family["p"].notna().all():
            np.testing.assert_allclose(family["p_holm"], statsmodels_holm(family["p"]))
    assert (result["p_holm"] >= result["p"]).loc[result["p"].notna()].all()


def test_one_comparison_is_not_adjusted():
    result = compared(TABLE[TABLE["model"] != "ridge"])
    np.testing.assert_allclose(result["p_holm"], result["p"])


def test_copies_of_every_radiograph_add_no_evidence():
    copies = TABLE.assign(radiograph_id=TABLE["radiograph_id"] + "_again")
    once, twice = compared(), compared(pd.concat([TABLE, copies], ignore_index=True))
    for metric, test, threshold in (
        ("mse", PAIRED_BOOTSTRAP, math.nan),
        ("mse", CORRECTED_T, math.nan),
        ("mae", WILCOXON, math.nan),
        ("auroc", DELONG, -1.0),
    ):
        first, second = row(once, metric, test, threshold), row(twice, metric, test, threshold)
        assert second["p"] == pytest.approx(first["p"])
    assert MCNEMAR_CLUSTERED in set(twice["test"])


def test_a_model_against_its_copy():
    table = pd.concat([TABLE[TABLE["model"] == "concat"].assign(model=model) for model in ("concat", "copy")])
    result = compared(table)
    defined = result.dropna(subset=["difference"])
    assert (defined["difference"] == 0).all()
    assert (defined["p"] == 1).all()


@pytest.mark.parametrize("design", [{"patients": 3, "folds": 3}, {"patients": 1, "per_patient": 4, "folds": 1}])
def test_very_small_cohorts_say_nothing_wrong(design):
    result = compared(made_up_table(**design))
    assert result["p"].dropna().between(0, 1).all()
    assert not (result["p"] < 0.05)[result["test"] != PAIRED_BOOTSTRAP].any()


def test_constant_predictions():
    constant = TABLE.assign(prediction=TABLE["prediction"].where(TABLE["model"] != "concat", 0.88))
    result = compared(constant)
    assert row(result, "auroc", DELONG, -1.0)["difference"] > 0
    assert math.isnan(row(result, "pearson_r", PAIRED_BOOTSTRAP)["p"])
    assert math.isnan(row(result, "mse", PAIRED_BOOTSTRAP)["p_holm"]) is False


def test_one_class_only():
    healthy = TABLE.assign(target=TABLE["target"] + 1.0, prediction=TABLE["prediction"] + 1.0)
    result = compared(healthy)
    assert result.query("metric == 'auroc' or metric == 'sensitivity'")["p"].isna().all()
    assert (result.query("metric == 'sensitivity'")["n"] == 0).all()
