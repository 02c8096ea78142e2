"""Forest plots: metrics, comparisons, subgroups, coverage."""

import numpy as np
import pandas as pd
import pytest

from tests.metrics.tables import made_up_table
from tests.report.figures.drawn import dots, intervals, text, texts, vertical
from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP
from xattn_bmd.metrics.tables.layout import POOLED
from xattn_bmd.metrics.tables.regression import metrics_table
from xattn_bmd.report.figures.coverage import coverage
from xattn_bmd.report.figures.model_comparison import model_comparison
from xattn_bmd.report.figures.model_metrics import model_metrics
from xattn_bmd.report.figures.subgroup_forest import subgroup_forest

COMPARISONS = pd.DataFrame(
    {
        "model_a": ["xattn", "ridge", "xattn"],
        "model_b": "concat",
        "metric": ["mse", "mse", "mae"],
        "test": PAIRED_BOOTSTRAP,
        "relative": [-0.167, 0.4, -0.06],
        "relative_low": [-0.3, np.nan, -0.1],
        "relative_high": [0.02, np.nan, 0.0],
        "n": 233,
    }
)
SUBGROUPS = pd.DataFrame(
    {
        "model": "xattn",
        "variable": ["sex", "sex", "site"],
        "group": ["female", "male", "tiny"],
        "metric": "bias",
        "value": [0.01, -0.02, np.nan],
        "low": [-0.01, -0.04, np.nan],
        "high": [0.03, 0.0, np.nan],
        "n": [60, 50, 9],
        "patients": [55, 48, 7],
        "reason": ["", "", "fewer than 10 patients: named, not scored"],
    }
)
CONFORMAL = pd.DataFrame(
    {
        "model": "xattn",
        "method": ["split", "cross_fold", "split", "split"],
        "level": [0.95, 0.9, 0.9, 0.9],
        "group": ["all", "all", "all", "sex=female"],
        "coverage": [0.94, 0.91, 0.89, 0.5],
        "low": [0.9, 0.87, 0.85, 0.4],
        "high": [0.98, 0.95, 0.93, 0.6],
        "width": [np.inf, 0.31, 0.3, 0.3],
        "n": [100, 100, 100, 55],
        "patients": [90, 90, 90, 50],
    }
)


def test_model_metrics_draws_the_pooled_values_in_the_order_of_the_table():
    table = metrics_table(made_up_table(), replicates=50)
    figure = model_metrics(table, metric="mae")
    chosen = table[(table["metric"] == "mae") & (table["method"] == POOLED)]
    np.testing.assert_allclose(dots(figure.axes[0]), chosen["value"])
    np.testing.assert_allclose(intervals(figure.axes[0]), chosen[["low", "high"]])
    assert [one.get_text() for one in figure.axes[0].get_yticklabels()] == ["xattn", "concat", "ridge"]
    assert figure.axes[0].get_xlabel() == "mean absolute error (g/cm²)"
    assert "40 radiographs, 40 patients" in text(figure)


def test_a_value_without_interval_is_a_dot():
    table = metrics_table(made_up_table(patients=1, per_patient=3, folds=1, models=("a",)), replicates=50)
    figure = model_metrics(table, metric="mae")
    assert len(dots(figure.axes[0])) == 1
    assert intervals(figure.axes[0]) == []


def test_model_comparison_draws_relative_change_of_mse_in_percent():
    figure = model_comparison(COMPARISONS)
    (axes,) = figure.axes
    np.testing.assert_allclose(dots(axes), [-16.7, 40.0])
    np.testing.assert_allclose(intervals(axes), [(-30.0, 2.0)])
    assert vertical(axes) == [0.0]
    assert axes.get_xlabel() == "change of mean squared error (%)"
    assert "against concat: 233 radiographs" in text(figure)
    assert {"−16.7 [−30.0, +2.0]", "+40.0"} <= set(texts(figure))


def test_subgroups_too_small_are_named_and_not_drawn():
    figure = subgroup_forest(SUBGROUPS, model="xattn", metric="bias")
    (axes,) = figure.axes
    np.testing.assert_allclose(dots(axes), [0.01, -0.02])
    np.testing.assert_allclose(intervals(axes), [(-0.01, 0.03), (-0.04, 0.0)])
    names = [one.get_text() for one in axes.get_yticklabels()]
    assert names == ["sex", "female (60 / 55)", "male (50 / 48)", "site", "tiny (9 / 7)"]
    assert "not scored" in texts(figure)
    assert vertical(axes) == [0.0]
    assert "(g/cm²)" in axes.get_xlabel()


def test_subgroups_all_too_small_are_still_named():
    figure = subgroup_forest(SUBGROUPS.iloc[2:], model="xattn", metric="bias")
    assert "tiny (9 / 7)" in texts(figure)


def test_a_group_that_is_scored_but_undefined_says_why():
    undefined = SUBGROUPS.assign(value=np.nan, low=np.nan, high=np.nan, reason="no positive")
    assert "undefined" in texts(subgroup_forest(undefined, model="xattn", metric="bias"))


def test_coverage_draws_the_levels_and_the_chosen_group():
    figure = coverage(CONFORMAL)
    (axes,) = figure.axes
    np.testing.assert_allclose(dots(axes), [89.0, 94.0, 91.0])
    np.testing.assert_allclose(intervals(axes), [(85.0, 93.0), (90.0, 98.0), (87.0, 95.0)])
    np.testing.assert_allclose(vertical(axes), [90.0, 95.0])
    names = [one.get_text() for one in axes.get_yticklabels()]
    assert names == ["xattn", "split, 90 %", "split, 95 %", "cross-fold, 90 %"]
    assert {"91.0 %, 0.310", "94.0 %, no end"} <= set(texts(figure))
    assert "100 radiographs, 90 patients" in text(figure)
    assert dots(coverage(CONFORMAL, group="sex=female").axes[0]) == [50.0]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: model_comparison(COMPARISONS.iloc[:0]),
        lambda: model_comparison(COMPARISONS.assign(relative=np.nan)),
        lambda: model_comparison(COMPARISONS.assign(test="wilcoxon")),
        lambda: model_metrics(pd.DataFrame(columns=["model", "metric", "method", "value"]), metric="r2"),
        lambda: subgroup_forest(SUBGROUPS.iloc[:0], model="xattn", metric="bias"),
        lambda: subgroup_forest(SUBGROUPS, model="other", metric="bias"),
        lambda: coverage(CONFORMAL.iloc[:0]),
        lambda: coverage(CONFORMAL.assign(coverage=np.nan)),
    ],
)
def test_nothing_to_draw_is_a_sentence(draw):
    figure = draw()
    assert not figure.axes
    assert text(figure).endswith(".")
