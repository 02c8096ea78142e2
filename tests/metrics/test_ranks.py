import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.metrics.tables import made_up_table
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.intervals import patient_draws
from xattn_bmd.metrics.pooled import pooled_spearman
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.ranks import spearman_r, weighted_spearman

RNG = np.random.default_rng(0)
TARGET = RNG.normal(0.88, 0.147, 120)
PREDICTION = TARGET + RNG.normal(0, 0.1, 120)


@pytest.mark.parametrize("digits", [16, 2, 1], ids=["no ties", "ties", "many ties"])
def test_scipy_agrees(digits):
    target, prediction = TARGET.round(digits), PREDICTION.round(digits)
    expected = stats.spearmanr(target, prediction).statistic
    assert spearman_r(target, prediction) == pytest.approx(expected, rel=1e-12)


@given(
    pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 4)), min_size=2, max_size=15),
)
@settings(deadline=None)
def test_counts_are_copies(pairs):
    target, prediction, counts = np.array(pairs).T
    copied_t, copied_p = np.repeat(target, counts), np.repeat(prediction, counts)
    found = spearman_r(target / 10, prediction / 10, weights=counts)
    if len(set(copied_t)) < 2 or len(set(copied_p)) < 2:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(stats.spearmanr(copied_t, copied_p).statistic, abs=1e-12)


def test_many_weightings_equal_one_by_one_whatever_their_scale():
    weights = RNG.integers(0, 4, (7, 120)).astype(float)
    single = [spearman_r(TARGET, PREDICTION, weights=row) for row in weights]
    np.testing.assert_allclose(weighted_spearman(TARGET, PREDICTION, weights), single, rtol=1e-12)
    np.testing.assert_allclose(weighted_spearman(TARGET, PREDICTION, weights / 7), single, rtol=1e-12)


def test_undefined_where_a_side_is_constant():
    assert math.isnan(spearman_r(TARGET, np.full(120, 0.88)))
    fractions = RNG.random((50, 120))
    assert np.isnan(weighted_spearman(TARGET, np.full(120, 0.88), fractions)).all()
    assert np.isnan(weighted_spearman(TARGET.round(1), PREDICTION, fractions * (TARGET.round(1) == 0.9))).all()
    assert math.isnan(spearman_r([0.8], [0.9]))
    assert math.isnan(spearman_r([], []))
    assert math.isnan(spearman_r([0.7, 0.8, 0.9], [0.7, 0.8, 0.9], weights=[0, 3, 0]))
    assert math.isnan(spearman_r([0.7, 0.8, 0.8], [0.7, 0.8, 0.9], weights=[0, 0.1, 0.2]))
    assert spearman_r([0.7, 0.8, 0.9], [1.0, 0.9, 0.8]) == pytest.approx(-1.0)


def test_pooled_replicates_are_the_correlation_of_the_drawn_rows_averaged_over_repeats():
    grid = prediction_grid(made_up_table(patients=20, per_patient=2, repeats=2))
    draws = patient_draws(20, replicates=30)
    pooled = pooled_spearman(grid, model="xattn", draws=draws)
    for replicate in (0, 29):
        rows = np.repeat(np.arange(40), draws.weights[1 + replicate][grid.patients])
        each = [stats.spearmanr(grid.target[rows], one[rows]).statistic for one in grid.predictions["xattn"]]
        assert pooled.replicates[replicate] == pytest.approx(np.mean(each))


@pytest.mark.parametrize(
    ("target", "prediction", "weights", "words"),
    [
        ([0.8, 0.9], [0.8], None, "same shape"),
        ([0.8, 0.9], [0.8, 0.9], [1.0], "same shape"),
        ([0.8, np.nan], [0.8, 0.9], None, "finite"),
    ],
)
def test_refused(target, prediction, weights, words):
    with pytest.raises(MetricError, match=words):
        spearman_r(target, prediction, weights=weights)
