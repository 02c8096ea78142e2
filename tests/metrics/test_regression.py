import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn import metrics as oracle

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.regression import (
    REGRESSION_METRICS,
    ccc,
    mae,
    metrics_from_sums,
    mse,
    pearson_r,
    r2,
    regression_terms,
)

RNG = np.random.default_rng(0)
TARGET = RNG.normal(0.88, 0.147, 233)
PREDICTION = 0.88 + 0.6 * (TARGET - 0.88) + RNG.normal(0, 0.08, 233)


@pytest.mark.parametrize("weights", [None, RNG.integers(0, 4, 233)], ids=["plain", "weighted"])
def test_scikit_learn_agrees(weights):
    expected = {
        "mse": oracle.mean_squared_error(TARGET, PREDICTION, sample_weight=weights),
        "mae": oracle.mean_absolute_error(TARGET, PREDICTION, sample_weight=weights),
        "rmse": oracle.root_mean_squared_error(TARGET, PREDICTION, sample_weight=weights),
        "r2": oracle.r2_score(TARGET, PREDICTION, sample_weight=weights),
    }
    for name, value in expected.items():
        assert REGRESSION_METRICS[name](TARGET, PREDICTION, weights=weights) == pytest.approx(value, rel=1e-12)


def test_scipy_agrees_on_r():
    assert pearson_r(TARGET, PREDICTION) == pytest.approx(stats.pearsonr(TARGET, PREDICTION).statistic, rel=1e-12)
    draws = RNG.integers(0, 233, 233)
    weights = np.bincount(draws, minlength=233)
    expected = stats.pearsonr(TARGET[draws], PREDICTION[draws]).statistic
    assert pearson_r(TARGET, PREDICTION, weights=weights) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weights", [None, RNG.integers(0, 4, 233)], ids=["plain", "weighted"])
def test_concordance_is_lins_formula(weights):
    rows = np.repeat(np.arange(233), np.ones(233, dtype=int) if weights is None else weights)
    t, p = TARGET[rows], PREDICTION[rows] - 0.1
    expected = 2 * np.cov(t, p, ddof=0)[0, 1] / (t.var() + p.var() + (t.mean() - p.mean()) ** 2)
    assert ccc(TARGET, PREDICTION - 0.1, weights=weights) == pytest.approx(expected, rel=1e-10)
    assert ccc(TARGET, PREDICTION - 0.1) < ccc(TARGET, PREDICTION) <= pearson_r(TARGET, PREDICTION)


def test_concordance_at_the_edges():
    assert ccc(TARGET, TARGET) == pytest.approx(1.0)
    assert ccc(TARGET, 2 * TARGET.mean() - TARGET) == pytest.approx(-1.0)
    for constant in (0.1, 0.88, 1 / 3):
        assert ccc(TARGET, np.full(233, constant)) == 0.0
        assert ccc(np.full(233, constant), PREDICTION) == 0.0
        assert math.isnan(ccc(np.full(5, constant), np.full(5, constant)))
        assert math.isnan(ccc(np.full(5, constant), np.full(5, 0.5)))
    assert math.isnan(ccc([0.8], [0.9]))
    weights = np.zeros(233)
    weights[7] = 233
    assert math.isnan(ccc(TARGET, PREDICTION, weights=weights))


def test_hand_numbers():
    assert mse([1.0, 2.0, 3.0], [1.0, 2.0, 5.0]) == pytest.approx(4 / 3)
    assert mae([1.0, 2.0, 3.0], [1.0, 2.0, 5.0]) == pytest.approx(2 / 3)
    assert r2([1.0, 2.0, 3.0], [1.0, 2.0, 5.0]) == pytest.approx(-1.0)


@pytest.mark.parametrize("constant", [0.0, 0.1, 0.88, 1 / 3, 1e6])
def test_constant_prediction_has_no_correlation(constant):
    prediction = np.full(233, constant) * (1 + RNG.choice([0, 2e-16], 233))
    assert math.isnan(pearson_r(TARGET, prediction))
    assert math.isnan(r2(np.full(5, constant), [0.1, 0.2, 0.3, 0.4, 0.5]))
    assert math.isfinite(r2(TARGET, prediction))


def test_one_or_no_radiograph():
    assert math.isnan(r2([0.8], [0.9]))
    assert math.isnan(pearson_r([0.8], [0.9]))
    assert mse([0.8], [0.9]) == pytest.approx(0.01)
    assert all(math.isnan(metric([], [])) for metric in REGRESSION_METRICS.values())


def test_one_radiograph_drawn_again_and_again_is_still_one():
    weights = np.zeros(233)
    weights[7] = 233
    assert math.isnan(r2(TARGET, PREDICTION, weights=weights))
    assert math.isnan(pearson_r(TARGET, PREDICTION, weights=weights))


@given(values=arrays(np.float64, (2, 12), elements=st.floats(0.2, 1.6)), order=st.permutations(range(12)))
@settings(deadline=None)
def test_order_and_unit_weights_change_nothing(values, order):
    target, prediction = values
    for metric in REGRESSION_METRICS.values():
        plain = metric(target, prediction)
        assert metric(target, prediction, weights=np.ones(12)) == pytest.approx(plain, nan_ok=True)
        assert metric(target[order], prediction[order]) == pytest.approx(plain, rel=1e-6, abs=1e-9, nan_ok=True)


def test_replicates_equal_one_by_one():
    weights = RNG.integers(0, 3, (5, 233))
    many = metrics_from_sums(weights @ regression_terms(TARGET, PREDICTION))
    for name, metric in REGRESSION_METRICS.items():
        single = [metric(TARGET, PREDICTION, weights=row) for row in weights]
        np.testing.assert_allclose(many[name], single, rtol=1e-12)


@pytest.mark.parametrize(
    ("target", "prediction", "weights", "words"),
    [
        ([0.8, 0.9], [0.8], None, "same shape"),
        (0.8, 0.8, None, "same shape"),
        ([0.8, np.nan], [0.8, 0.9], None, "finite"),
        ([0.8, 0.9], [0.8, np.inf], None, "finite"),
        ([0.8, 0.9], [0.8, 0.9], [1.0], "Weights have the shape"),
    ],
)
def test_refused(target, prediction, weights, words):
    with pytest.raises(MetricError, match=words):
        mse(target, prediction, weights=weights)
