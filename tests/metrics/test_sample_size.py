import math

import numpy as np
import pytest
from scipy import stats

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.sample_size import apparent_r2, needed_patients, shrinkage

BONE = {"mean": 0.88, "sd": 0.147}


@pytest.mark.parametrize(("parameters", "expected"), [(10, 162), (12, 204), (20, 370)])
def test_published_numbers_for_shrinkage(parameters, expected):
    assert needed_patients(parameters, r2=0.35, **BONE)["shrinkage"] == expected
    assert shrinkage(0.35, n=expected, parameters=parameters) >= 0.9
    assert shrinkage(0.35, n=expected - 1, parameters=parameters) < 0.9


def test_residual_sd_is_known_within_ten_percent():
    def margin(freedom):
        low, high = stats.chi2.ppf([0.025, 0.975], freedom)
        return max(math.sqrt(high / freedom), math.sqrt(freedom / low))

    for parameters in (1, 12):
        freedom = needed_patients(parameters, r2=0.35, **BONE)["residual_sd"] - parameters - 1
        assert margin(freedom) <= 1.1 < margin(freedom - 1)


@pytest.mark.parametrize("r2", [0.05, 0.35, 0.9])
def test_optimism_is_at_most_five_points(r2):
    n = needed_patients(12, r2=r2, **BONE)["optimism"]
    assert apparent_r2(r2, n=n, parameters=12) - r2 <= 0.05 + 1e-12
    assert n == 14 or apparent_r2(r2, n=n - 1, parameters=12) - r2 > 0.05


def test_apparent_r2_is_what_least_squares_shows():
    rng = np.random.default_rng(0)
    n, p, shown = 60, 10, []
    for _ in range(400):
        features = np.c_[np.ones(n), rng.normal(size=(n, p))]
        target = features[:, 1] + rng.normal(size=n) * math.sqrt(1 / 0.5 - 1)
        fitted = features @ np.linalg.lstsq(features, target, rcond=None)[0]
        shown.append(1 - ((target - fitted) ** 2).sum() / ((target - target.mean()) ** 2).sum())
    assert apparent_r2(0.5, n=n, parameters=p) == pytest.approx(np.mean(shown), abs=0.015)


def test_mean_is_known_within_ten_percent():
    n = needed_patients(5, r2=0.2, mean=1.0, sd=1.5)["mean"]

    def margin(size):
        return stats.t.ppf(0.975, size - 6) * 1.5 * math.sqrt(0.8 / size)

    assert margin(n) <= 0.1 < margin(n - 1)


def test_one_parameter_needs_no_shrinkage():
    assert needed_patients(1, r2=0.3, **BONE)["shrinkage"] == 3


@pytest.mark.parametrize(
    ("parameters", "changes"), [(0, {}), (5, {"r2": 0.0}), (5, {"r2": 1.0}), (5, {"sd": 0.0}), (5, {"mean": math.nan})]
)
def test_arguments_out_of_range(parameters, changes):
    with pytest.raises(MetricError, match="at least 1 parameter"):
        needed_patients(parameters, **({"r2": 0.35} | BONE | changes))
