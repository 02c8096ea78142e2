import math

import numpy as np
import pytest
import statsmodels.api as sm

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.least_squares import clustered_slope, line_from_sums, line_terms

RNG = np.random.default_rng(0)
PATIENTS = np.repeat(np.arange(40), RNG.integers(1, 4, 40))
X = RNG.normal(0.88, 0.15, len(PATIENTS)) + 0.05 * RNG.normal(size=40)[PATIENTS]
Y = 0.1 - 0.2 * X + 0.05 * RNG.normal(size=40)[PATIENTS] + RNG.normal(0, 0.03 + 0.1 * abs(X - 0.88))


def oracle(x, y, clusters):
    model = sm.OLS(y, sm.add_constant(x))
    return model.fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)


@pytest.mark.parametrize("clusters", [PATIENTS, np.arange(len(X))], ids=["patients", "each its own"])
def test_statsmodels_agrees(clusters):
    expected, test = oracle(X, Y, clusters), clustered_slope(X, Y, clusters=clusters)
    assert test.slope == pytest.approx(expected.params[1], rel=1e-10)
    assert test.standard_error == pytest.approx(expected.bse[1], rel=1e-10)
    assert test.p == pytest.approx(expected.pvalues[1], rel=1e-8)


def test_copied_radiographs_are_no_evidence():
    many = np.repeat(np.arange(len(X)), 10)
    once = clustered_slope(X, Y, clusters=PATIENTS)
    copied = clustered_slope(X[many], Y[many], clusters=PATIENTS[many])
    assert copied.standard_error == pytest.approx(once.standard_error, rel=0.02)
    assert clustered_slope(X[many], Y[many], clusters=np.arange(len(many))).standard_error < 0.4 * once.standard_error


def test_repeats_are_averaged_not_counted():
    shift = RNG.normal(0, 0.05, (len(X), 2))
    both, y = X[:, None] + shift, np.stack([Y, Y], axis=1)
    test = clustered_slope(both, y, clusters=PATIENTS)
    expected = sm.OLS(y.ravel(), sm.add_constant(both.ravel())).fit()
    assert test.slope == pytest.approx(expected.params[1], rel=1e-10)
    same = clustered_slope(np.stack([X, X], axis=1), y, clusters=PATIENTS)
    assert same == pytest.approx(clustered_slope(X, Y, clusters=PATIENTS))


def test_lines_of_many_weightings():
    weights = RNG.integers(0, 3, (4, len(X)))
    lines = line_from_sums(weights @ line_terms(X, Y))
    for row, intercept, slope in zip(weights, *lines, strict=True):
        np.testing.assert_allclose(np.polyfit(np.repeat(X, row), np.repeat(Y, row), 1), [slope, intercept])


@pytest.mark.parametrize("value", [0.0, 0.1, 0.88, 1 / 3])
def test_a_constant_x_has_no_slope(value):
    test = clustered_slope(np.full(9, value), Y[:9], clusters=np.arange(9))
    assert math.isnan(test.slope)
    assert math.isnan(test.p)


def test_too_few_clusters_have_a_slope_without_a_test():
    test = clustered_slope(X[:4], Y[:4], clusters=[0, 0, 1, 1])
    assert not math.isnan(test.slope)
    assert math.isnan(test.p)
    assert not math.isnan(clustered_slope(X[:3], Y[:3], clusters=["a", "b", "c"]).p)


def test_shapes_are_checked():
    with pytest.raises(MetricError, match=r"\(3,\), \(2,\)"):
        clustered_slope(X[:3], Y[:2], clusters=[0, 1, 2])
    with pytest.raises(MetricError, match="a cluster for each row"):
        clustered_slope(X[:3], Y[:3], clusters=[0, 1])
