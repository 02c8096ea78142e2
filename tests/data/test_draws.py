"""Draws of single radiographs: uniform and normal, the same whatever the batch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from xattn_bmd.data.draws import normal_draws, uniform_draws

SEEDS = st.integers(0, 2**31)
EPOCHS = st.integers(0, 500)
ROWS = st.lists(st.integers(0, 10**6), min_size=1, max_size=6, unique=True)


def _correlation(left, right):
    return float(np.corrcoef(np.ravel(left), np.ravel(right))[0, 1])


def _splitmix(value):
    """The published finaliser, on Python's unbounded integers."""
    mask = (1 << 64) - 1
    value = (value + 0x9E3779B97F4A7C15) & mask
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
    return value ^ (value >> 31)


@given(SEEDS, EPOCHS, st.integers(0, 10**6))
@settings(max_examples=40)
def test_words_are_those_of_splitmix64(seed, epoch, row):
    start = _splitmix(_splitmix(row + seed * 1_000_003) + epoch)
    words = [_splitmix(start + step * 0x9E3779B97F4A7C15) for step in (1, 2, 3)]
    expected = torch.tensor([(word >> 40) / 2**24 for word in words])
    assert torch.equal(uniform_draws(torch.tensor([row]), 3, seed=seed, epoch=epoch)[0], expected)


@pytest.mark.parametrize("draw", [uniform_draws, normal_draws])
@given(seed=SEEDS, epoch=EPOCHS, rows=ROWS)
@settings(max_examples=25)
def test_draws_do_not_depend_on_the_batch_or_its_order(draw, seed, epoch, rows):
    together = draw(torch.tensor(rows), 7, seed=seed, epoch=epoch)
    backwards = draw(torch.tensor(rows[::-1]), 7, seed=seed, epoch=epoch).flip(0)
    alone = torch.cat([draw(torch.tensor([row]), 7, seed=seed, epoch=epoch) for row in rows])
    assert torch.equal(together, backwards)
    assert torch.equal(together, alone)


@pytest.mark.parametrize("draw", [uniform_draws, normal_draws])
def test_the_first_draws_are_the_same_however_many_are_wanted(draw):
    row = torch.arange(5)
    assert torch.equal(draw(row, 3, seed=1, epoch=2), draw(row, 10, seed=1, epoch=2)[:, :3])


@pytest.mark.parametrize("draw", [uniform_draws, normal_draws])
@pytest.mark.parametrize("other", [{"seed": 1}, {"epoch": 1}, {"row": 1}])
def test_another_seed_epoch_or_row_draws_anew(draw, other):
    first, second = (
        draw(torch.tensor([at["row"]]), 4000, seed=at["seed"], epoch=at["epoch"])
        for at in ({"row": 0, "seed": 0, "epoch": 0}, {"row": 0, "seed": 0, "epoch": 0, **other})
    )
    assert abs(_correlation(first, second)) < 0.06


def test_uniform_draws_are_uniform_and_independent():
    draws = uniform_draws(torch.arange(4000), 9, seed=0, epoch=0)
    assert stats.kstest(draws.flatten().numpy(), "uniform").pvalue > 0.001
    assert (torch.corrcoef(draws.T) - torch.eye(9)).abs().max() < 0.06
    assert abs(_correlation(draws[:-1, 0], draws[1:, 0])) < 0.06


def test_normal_draws_are_normal():
    draws = normal_draws(torch.arange(16), 50_000, seed=3, epoch=1).flatten().numpy()
    assert stats.kstest(draws, "norm").pvalue > 0.001
    assert draws.mean() == pytest.approx(0.0, abs=0.005)
    assert draws.std() == pytest.approx(1.0, abs=0.003)
    assert stats.kurtosis(draws) == pytest.approx(0.0, abs=0.03)
    assert 4.0 < np.abs(draws).max() < 4.5


@pytest.mark.parametrize("apart", [1, 2, 3, 4, 5, 224])
def test_normal_draws_of_neighbouring_pixels_are_independent(apart):
    draws = normal_draws(torch.arange(8), 50_000, seed=0, epoch=0).numpy()
    assert abs(_correlation(draws[:, apart:], draws[:, :-apart])) < 0.006
    assert abs(_correlation(draws[:, apart:] ** 2, draws[:, :-apart] ** 2)) < 0.006


def test_normal_draws_of_neighbouring_rows_are_independent():
    draws = normal_draws(torch.arange(9), 50_000, seed=0, epoch=0).numpy()
    assert abs(_correlation(draws[1:], draws[:-1])) < 0.006
    assert abs(_correlation(draws[1:] ** 2, draws[:-1] ** 2)) < 0.006


def test_normal_and_uniform_draws_of_a_row_are_independent():
    row = torch.arange(5000)
    ranks = stats.norm.cdf(normal_draws(row, 12, seed=0, epoch=0).numpy())
    both = np.concatenate([ranks, uniform_draws(row, 9, seed=0, epoch=0).numpy()], axis=1)
    assert np.abs(np.corrcoef(both.T) - np.eye(21)).max() < 0.08
