import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.agreement import (
    agreement_from_summary,
    bland_altman,
    difference_terms,
    limits_from_sums,
    proportional_bias,
)

# Peak flow, l/min, by two meters in 17 people: Bland and Altman, Lancet 1986, first readings.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]

RNG = np.random.default_rng(0)
TARGET = RNG.normal(0.88, 0.147, 80)
PREDICTION = 0.88 + 0.6 * (TARGET - 0.88) + RNG.normal(0, 0.08, 80)


def test_peak_flow_of_1986():
    result = bland_altman(MINI, WRIGHT)
    assert result.bias == pytest.approx(-2.1, abs=0.05)
    assert result.sd == pytest.approx(38.8, abs=0.05)
    assert result.bias_interval == pytest.approx((-22.0, 17.8), abs=0.15)
    assert result.n == 17


def test_blood_pressure_of_1999():
    result = agreement_from_summary(bias=-16.29, sd=19.61, n=85)
    assert (result.low, result.high) == pytest.approx((-54.7, 22.1), abs=0.06)
    assert result.bias_interval == pytest.approx((-20.5, -12.1), abs=0.06)
    assert result.low_interval == pytest.approx((-61.9, -47.5), abs=0.15)
    assert result.high_interval == pytest.approx((14.9, 29.3), abs=0.15)


def test_interval_of_the_bias_is_the_t_test_interval():
    expected = stats.ttest_1samp(PREDICTION - TARGET, 0.0).confidence_interval(0.95)
    assert bland_altman(TARGET, PREDICTION).bias_interval == pytest.approx(tuple(expected))


def test_analytic_intervals_of_a_limit_cover():
    rng, truth = np.random.default_rng(1), 0.02 + 1.96 * 0.1
    inside = 0
    for _ in range(1000):
        difference = rng.normal(0.02, 0.1, 40)
        low, high = agreement_from_summary(bias=difference.mean(), sd=difference.std(ddof=1), n=40).high_interval
        inside += low < truth < high
    assert 930 <= inside <= 970


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_differences(n):
    result = bland_altman(TARGET[:n], PREDICTION[:n])
    assert math.isfinite(result.bias)
    assert math.isnan(result.sd) == math.isnan(result.low) == math.isnan(result.low_interval.low) == (n < 2)


@pytest.mark.parametrize("patients", [None, np.arange(80) // 2], ids=["independent", "two each"])
def test_proportional_bias_is_that_of_statsmodels(patients):
    groups = np.arange(80) if patients is None else patients
    line = sm.OLS(PREDICTION - TARGET, sm.add_constant((PREDICTION + TARGET) / 2))
    expected = line.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    test = proportional_bias(TARGET, PREDICTION, patients=patients)
    assert test.slope == pytest.approx(expected.params[1])
    assert test.p == pytest.approx(expected.pvalues[1])


@pytest.mark.parametrize("r2", [0.2, 0.6, 0.9])
def test_a_perfectly_calibrated_model_has_the_expected_negative_slope(r2):
    rng = np.random.default_rng(3)
    prediction = 0.88 + math.sqrt(r2) * 0.147 * rng.normal(size=200_000)
    target = prediction + math.sqrt(1 - r2) * 0.147 * rng.normal(size=200_000)
    assert proportional_bias(target, prediction).slope == pytest.approx(-2 * (1 - r2) / (1 + 3 * r2), rel=0.02)


def test_proportional_bias_holds_its_level():
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(600):
        patient = np.repeat(np.arange(60), 2)
        middle = rng.normal(0.88, 0.1, 60)[patient] + rng.normal(0, 0.02, 120)
        difference = rng.normal(0, 0.08, 60)[patient] + rng.normal(0, 0.02, 120)
        found += proportional_bias(middle - difference / 2, middle + difference / 2, patients=patient).p < 0.05
    assert 0.02 <= found / 600 <= 0.085


def test_repeats_of_one_prediction_change_nothing():
    once = proportional_bias(TARGET, PREDICTION)
    assert proportional_bias(TARGET, np.stack([PREDICTION] * 3, axis=1)) == pytest.approx(once)


def test_sums_give_the_same_limits():
    found = limits_from_sums(difference_terms(TARGET, PREDICTION).sum(axis=0))
    expected = bland_altman(TARGET, PREDICTION)
    assert found["bias"] == pytest.approx(expected.bias)
    assert found["sd_difference"] == pytest.approx(expected.sd)
    assert (found["loa_low"], found["loa_high"]) == pytest.approx((expected.low, expected.high))
    constant = limits_from_sums(difference_terms(TARGET, TARGET + 0.1).sum(axis=0))
    assert constant["sd_difference"] == pytest.approx(0.0, abs=1e-9)
    alone = limits_from_sums(difference_terms(TARGET, PREDICTION)[0])
    assert math.isnan(alone["sd_difference"])
    assert math.isnan(alone["loa_high"])


@pytest.mark.parametrize(
    ("target", "prediction", "words"),
    [([0.8, 0.9], [0.8], "same shape"), ([], [], "N > 0"), ([0.8, np.inf], [0.8, 0.9], "finite")],
)
def test_refused(target, prediction, words):
    for function in (bland_altman, proportional_bias):
        with pytest.raises(MetricError, match=words):
            function(target, prediction)
