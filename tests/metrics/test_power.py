import math

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower

from xattn_bmd.metrics.intervals import Resampled
from xattn_bmd.metrics.power import detectable_difference, power_at, standard_error


@pytest.mark.parametrize("power", [0.8, 0.9])
def test_power_at_the_detectable_difference_is_the_wanted_power(power):
    difference = detectable_difference(0.3, power=power)
    # The far tail of the two-sided test, some 1e-6, is left out of the closed form.
    assert power_at(difference, error=0.3) == pytest.approx(power, abs=1e-5)
    assert power_at(-difference, error=0.3) == pytest.approx(power, abs=1e-5)


@pytest.mark.parametrize("effect", [0.05, 0.2, 0.4])
def test_power_equals_statsmodels(effect):
    expected = NormalIndPower(ddof=0).power(effect, nobs1=150, alpha=0.05, ratio=0)
    assert power_at(effect, error=1 / math.sqrt(150)) == pytest.approx(expected)


def test_power_by_simulation():
    found = np.abs(np.random.default_rng(0).normal(1.7, 1.0, 200_000)) > 1.959964
    assert power_at(1.7, error=1.0) == pytest.approx(found.mean(), abs=0.005)


def test_standard_error_is_the_spread_of_the_replicates():
    replicates = np.random.default_rng(0).normal(size=400)
    assert standard_error(Resampled(0.0, replicates, np.empty(0))) == pytest.approx(replicates.std(ddof=1))
    mostly_undefined = np.where(np.arange(400) < 50, np.nan, replicates)
    assert math.isnan(standard_error(Resampled(0.0, mostly_undefined, np.empty(0))))
    assert math.isnan(standard_error(Resampled(0.0, np.empty(0), np.empty(0))))
    assert math.isnan(standard_error(Resampled(math.nan, replicates, np.empty(0))))


@pytest.mark.parametrize("error", [0.0, math.nan])
def test_without_spread_nothing_can_be_said(error):
    assert math.isnan(detectable_difference(error))
    assert math.isnan(power_at(0.1, error=error))
    assert math.isnan(power_at(math.nan, error=1.0))
