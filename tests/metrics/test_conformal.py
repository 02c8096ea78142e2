"""Conformal intervals against MAPIE, against the definition, and against their promise."""

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mapie.regression import ConformalizedQuantileRegressor, CrossConformalRegressor, SplitConformalRegressor
from sklearn.linear_model import LinearRegression, QuantileRegressor
from sklearn.model_selection import KFold

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.conformal import (
    Band,
    band_of,
    conformal_interval,
    conformal_quantile,
    conformity_scores,
    cv_plus_interval,
)

LEVELS = (0.8, 0.9, 0.95)
every_level = pytest.mark.parametrize("level", LEVELS)


def made(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    return x, 0.88 + 0.08 * x[:, 0] + 0.05 * (1 + np.abs(x[:, 1])) * rng.normal(size=n)


def point(prediction):
    return band_of(np.asarray(prediction, dtype=float), {})


@every_level
def test_split_agrees_with_mapie(level):
    (x, y), (x_other, y_other), (x_new, _) = made(60), made(47, 1), made(30, 2)
    model = LinearRegression().fit(x, y)
    oracle = SplitConformalRegressor(model, confidence_level=level, prefit=True).conformalize(x_other, y_other)
    expected = oracle.predict_interval(x_new)[1][:, :, 0]
    quantile = conformal_quantile(conformity_scores(y_other, point(model.predict(x_other))), level=level)
    ends = conformal_interval(point(model.predict(x_new)), quantile)
    np.testing.assert_allclose(np.stack(ends, axis=1), expected, atol=1e-12)


@every_level
@pytest.mark.parametrize("n", [40, 101])
def test_cv_plus_agrees_with_mapie(level, n):
    (x, y), (x_new, _) = made(n), made(33, 2)
    cv = KFold(4, shuffle=True, random_state=0)
    oracle = CrossConformalRegressor(LinearRegression(), confidence_level=level, method="plus", cv=cv)
    expected = oracle.fit_conformalize(x, y).predict_interval(x_new)[1][:, :, 0]
    residuals, folds, by_fold = np.empty(n), np.empty(n, dtype=int), []
    for fold, (inside, outside) in enumerate(cv.split(x)):
        model = LinearRegression().fit(x[inside], y[inside])
        residuals[outside], folds[outside] = np.abs(y[outside] - model.predict(x[outside])), fold
        by_fold.append(model.predict(x_new))
    ends = cv_plus_interval(by_fold, residuals, folds, level=level)
    np.testing.assert_allclose(np.stack(ends, axis=1), expected, atol=1e-12)


def test_quantile_band_agrees_with_mapie_where_its_correction_is_symmetric():
    (x, y), (x_other, y_other), (x_new, _) = made(150), made(60, 1), made(30, 2)
    low, high, median = (QuantileRegressor(quantile=q, alpha=0.0, solver="highs").fit(x, y) for q in (0.05, 0.95, 0.5))
    oracle = ConformalizedQuantileRegressor([low, high, median], confidence_level=0.9, prefit=True)
    oracle.conformalize(x_other, y_other)
    expected = oracle.predict_interval(x_new, symmetric_correction=True)[1][:, :, 0]

    def band(rows):
        return band_of(median.predict(rows), {"q05": low.predict(rows), "q95": high.predict(rows)})

    quantile = conformal_quantile(conformity_scores(y_other, band(x_other)), level=0.9)
    np.testing.assert_allclose(np.stack(conformal_interval(band(x_new), quantile), axis=1), expected, atol=1e-12)


@given(n=st.integers(0, 400), percent=st.integers(1, 99))
@example(n=99, percent=55)  # 100 · 0.55 is 55.00000000000001
def test_rank_is_that_of_exact_arithmetic(n, percent):
    rank = ceil((n + 1) * Fraction(percent, 100))
    expected = float(rank) if rank <= n else float("inf")
    shuffled = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    assert conformal_quantile(shuffled, level=percent / 100) == expected


@given(
    scores=st.lists(st.floats(-1, 1), min_size=1, max_size=40),
    levels=st.tuples(st.sampled_from((0.5, 0.8, 0.9)), st.sampled_from((0.9, 0.95, 0.99))),
)
def test_a_higher_level_is_never_narrower(scores, levels):
    assert conformal_quantile(scores, level=levels[0]) <= conformal_quantile(scores, level=levels[1])


def test_too_few_scores_give_an_infinite_interval_and_not_a_clipped_one():
    assert conformal_quantile(np.ones(18), level=0.95) == float("inf")
    assert conformal_quantile(np.ones(19), level=0.95) == 1.0
    ends = conformal_interval(point([0.8, 0.9]), float("inf"))
    assert (ends.low == -np.inf).all() and (ends.high == np.inf).all()
    ends = cv_plus_interval(np.full((2, 3), 0.8), np.ones(18), np.zeros(18, dtype=int), level=0.95)
    assert ends.low.tolist() == [-np.inf] * 3 and ends.high.tolist() == [np.inf] * 3


def test_normalised_widths_follow_the_sd():
    sd = np.array([0.05, 0.1, 0.2])
    band = band_of(np.full(3, 0.9), {"sd": sd})
    ends = conformal_interval(band, conformal_quantile(conformity_scores([0.95, 0.7, 1.0], band), level=0.5))
    np.testing.assert_allclose(conformity_scores([0.95, 0.7, 1.0], band), [1.0, 2.0, 0.5])
    np.testing.assert_allclose(ends.high - ends.low, 2 * sd)


def test_an_interval_that_is_turned_inside_out_shrinks_to_its_middle():
    band = Band(np.array([0.7]), np.array([0.9]), np.ones(1))
    ends = conformal_interval(band, -0.3)
    assert ends.low == ends.high == pytest.approx(0.8)


def test_many_new_radiographs_are_the_same_as_one_by_one():
    rng = np.random.default_rng(0)
    by_fold, residuals, folds = rng.normal(size=(3, 600)), rng.random(50), rng.integers(0, 3, 50)
    ends = cv_plus_interval(by_fold, residuals, folds, level=0.9)
    alone = cv_plus_interval(by_fold[:, [555]], residuals, folds, level=0.9)
    assert (ends.low[555], ends.high[555]) == (alone.low[0], alone.high[0])
    assert cv_plus_interval(by_fold[:, :0], residuals, folds, level=0.9).low.shape == (0,)


@every_level
def test_split_keeps_its_promise_over_many_cohorts(level):
    rng = np.random.default_rng(4)
    hits = []
    for _ in range(400):
        y = 0.88 + 0.1 * rng.standard_t(4, size=60)
        quantile = conformal_quantile(np.abs(y[:30] - 0.88), level=level)
        hits.append(np.mean(np.abs(y[30:] - 0.88) <= quantile))
    promised = ceil(31 * level) / 31
    assert np.mean(hits) == pytest.approx(promised, abs=0.02)


@pytest.mark.parametrize("level", [0.0, 1.0, 90, -0.1, float("nan")])
def test_a_level_that_is_no_share_is_refused(level):
    with pytest.raises(MetricError, match="between 0 and 1"):
        conformal_quantile([0.1, 0.2], level=level)
    with pytest.raises(MetricError, match="between 0 and 1"):
        cv_plus_interval([[0.8]], [0.1], [0], level=level)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sd": np.array([0.1, 0.0])}, "SD of a Gaussian head is positive, but 1 of 2"),
        ({"q05": np.array([0.9, 0.7]), "q95": np.array([0.8, 0.9])}, "5 % quantile is no larger"),
    ],
)
def test_impossible_head_columns_are_refused(given, words):
    with pytest.raises(MetricError, match=words):
        band_of(np.array([0.8, 0.9]), given)


@pytest.mark.parametrize(
    ("by_fold", "residuals", "folds"),
    [
        ([[0.8]], [0.1, 0.2], [0]),
        ([[0.8]], [0.1, 0.2], [0, 1]),
        ([[0.8]], [0.1, 0.2], [0, -1]),
        ([0.8], [0.1], [0]),
    ],
)
def test_folds_that_do_not_fit_are_refused(by_fold, residuals, folds):
    with pytest.raises(MetricError, match="K fold models"):
        cv_plus_interval(by_fold, residuals, folds, level=0.9)


@pytest.mark.parametrize("residual", [-0.1, float("nan")])
def test_residuals_are_absolute(residual):
    with pytest.raises(MetricError, match="absolute"):
        cv_plus_interval([[0.8]], [residual], [0], level=0.5)
