import math

import numpy as np
import pytest
from scipy import stats

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.paired.resampled_t import corrected_resampled_t

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("repeats", [1, 5])
def test_ten_folds_widen_the_plain_t_test_by_the_published_factor(repeats):
    differences = RNG.normal(0.3, 1.0, 10 * repeats)
    result = corrected_resampled_t(differences, test_share=[1 / 9] * len(differences))
    plain = stats.ttest_1samp(differences, 0.0)
    t = plain.statistic / math.sqrt(1 + repeats * 10 / 9)
    assert result.p == pytest.approx(2 * stats.t.sf(abs(t), len(differences) - 1))
    low, high = plain.confidence_interval(0.95)
    assert (result.high - result.low) / (high - low) == pytest.approx(math.sqrt(1 + repeats * 10 / 9))
    assert result.difference == pytest.approx(differences.mean())


def test_ten_folds_once_grow_the_standard_error_by_45_percent():
    assert math.sqrt(1 + 10 / 9) == pytest.approx(1.45, abs=0.005)
    differences = RNG.normal(size=10)
    result = corrected_resampled_t(differences, test_share=[1 / 9] * 10)
    half = stats.t.ppf(0.975, 9) * stats.sem(differences)
    assert (result.high - result.difference) / half == pytest.approx(1.453, abs=0.001)


def test_unequal_folds_use_the_mean_share():
    differences = [0.1, 0.4, -0.2]
    result = corrected_resampled_t(differences, test_share=[0.4, 0.5, 0.6])
    assert result == corrected_resampled_t(differences, test_share=[0.5] * 3)


def test_interval_and_p_agree():
    for shift in np.linspace(-1.5, 1.5, 31):
        result = corrected_resampled_t(np.arange(8.0) - 3.5 + 4 * shift, test_share=[1 / 7] * 8)
        assert (result.p < 0.05) == (result.low > 0 or result.high < 0)


def test_equal_models_in_every_fold():
    result = corrected_resampled_t([0.0] * 5, test_share=[0.25] * 5)
    assert (result.difference, result.p) == (0.0, 1.0)
    assert math.isnan(result.low)


@pytest.mark.parametrize("differences", [[], [0.3], [0.1, math.nan, 0.2]])
def test_without_two_defined_folds_there_is_no_test(differences):
    assert all(map(math.isnan, corrected_resampled_t(differences, test_share=[0.25] * len(differences))))


def test_the_same_difference_in_every_fold_has_no_spread_to_judge_by():
    result = corrected_resampled_t([0.1 + 0.2, 0.3, 0.3], test_share=[0.5] * 3)
    assert result.difference == pytest.approx(0.3)
    assert math.isnan(result.p)


@pytest.mark.parametrize("shares", [[0.5], [0.5, 0.0], [0.5, math.nan]])
def test_shares_are_one_positive_number_per_fold(shares):
    with pytest.raises(MetricError, match="n_test / n_train"):
        corrected_resampled_t([0.1, 0.2], test_share=shares)
