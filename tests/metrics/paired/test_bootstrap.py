import math

import numpy as np
import pytest

from xattn_bmd.metrics.intervals import Resampled
from xattn_bmd.metrics.paired.bootstrap import compare_paired


def pooled(value, *, spread=0.0, seed=0, size=500):
    rng = np.random.default_rng(seed)
    return Resampled(value, value + spread * rng.normal(size=size), value + 0.1 * spread * rng.normal(size=50))


def test_relative_change_as_the_source_reports_it():
    result = compare_paired(pooled(0.833), pooled(1.0))
    assert result.relative == pytest.approx(-0.167)
    assert (result.low, result.high) == pytest.approx((-0.167, -0.167))
    assert result.p == pytest.approx(2 / 501)


def test_pairing_cancels_what_is_shared():
    shared = compare_paired(pooled(0.9, spread=0.1), pooled(1.0, spread=0.1))
    apart = compare_paired(pooled(0.9, spread=0.1), pooled(1.0, spread=0.1, seed=1))
    assert shared.high - shared.low < 1e-9 < apart.high - apart.low


def test_a_model_against_itself():
    result = compare_paired(pooled(0.5, spread=0.1), pooled(0.5, spread=0.1))
    assert (result.difference, result.low, result.high, result.p) == (0.0, 0.0, 0.0, 1.0)


def test_swapping_the_models_flips_the_difference_and_keeps_p():
    a, b = pooled(0.9, spread=0.1), pooled(1.0, spread=0.1, seed=1)
    there, back = compare_paired(a, b), compare_paired(b, a)
    assert there.difference == -back.difference
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p == back.p


@pytest.mark.parametrize("base", [0.0, -0.2, float("nan")])
def test_no_relative_change_from_a_base_that_is_not_positive(base):
    result = compare_paired(pooled(0.3), pooled(base))
    assert all(map(math.isnan, (result.relative, result.relative_low, result.relative_high)))


def test_without_replicates_there_is_no_interval_and_no_p():
    result = compare_paired(Resampled(0.3, np.empty(0), np.empty(0)), Resampled(0.4, np.empty(0), np.empty(0)))
    assert all(map(math.isnan, (result.low, result.high, result.p)))
    assert result.difference == pytest.approx(-0.1)
