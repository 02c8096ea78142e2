"""What the heads promise by construction, whatever the raw outputs."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from xattn_bmd.errors import ModelError
from xattn_bmd.models.heads import HEADS, LEAST_SD, GaussianHead, QuantileHead

raw = st.lists(st.floats(-1e4, 1e4, width=32), min_size=3, max_size=3)


def made(kind, *, mean=0.88, sd=0.147):
    return kind(width=8, dropout=0.0, target_mean=mean, target_sd=sd)


@given(values=raw)
def test_quantiles_are_ordered_whatever_the_outputs(values):
    estimate = made(QuantileHead).read(torch.tensor([values]))
    low, median, high = estimate.quantiles[0]
    assert low <= median <= high
    assert median == estimate.density[0]


@given(values=raw)
def test_sd_is_positive_whatever_the_outputs(values):
    sd = made(GaussianHead).read(torch.tensor([values[:2]])).sd
    assert sd >= 0.999 * LEAST_SD * 0.147


def test_untrained_spread_is_that_of_the_training_density():
    zero = torch.zeros(1, 3)
    assert float(made(GaussianHead).read(zero[:, :2]).sd) == pytest.approx((1 + LEAST_SD) * 0.147, rel=1e-5)
    expected = norm(0.88, 0.147).ppf([0.05, 0.5, 0.95])
    assert made(QuantileHead).read(zero).quantiles[0].tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kind", HEADS.values())
@pytest.mark.parametrize(("mean", "sd"), [(float("nan"), 0.1), (0.9, 0.0), (0.9, float("inf"))])
def test_impossible_training_density_is_refused(kind, mean, sd):
    with pytest.raises(ModelError, match="finite mean and a positive SD"):
        made(kind, mean=mean, sd=sd)
