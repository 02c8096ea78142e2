"""Augmentation: each radiograph draws for itself, whatever its batch, order or epoch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from xattn_bmd.config import AugmentConfig
from xattn_bmd.data.transforms import augment, uniform_draws

STILL = AugmentConfig(rotation=0, translation=0, scale=0, contrast=0, gamma=0, noise=0)


def _pictures(count, size=24):
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(3))


def test_draws_are_uniform_and_independent():
    draws = uniform_draws(torch.arange(4000), 4, seed=0, epoch=0)
    assert stats.kstest(draws.flatten().numpy(), "uniform").pvalue > 0.001
    correlation = torch.corrcoef(draws.T) - torch.eye(4)
    assert correlation.abs().max() < 0.06
    neighbours = torch.corrcoef(torch.stack([draws[:-1, 0], draws[1:, 0]]))[0, 1]
    assert neighbours.abs() < 0.06


@given(st.integers(0, 2**31), st.integers(0, 500), st.integers(0, 10**6))
@settings(max_examples=40)
def test_draws_do_not_depend_on_the_batch(seed, epoch, row):
    alone = uniform_draws(torch.tensor([row]), 6, seed=seed, epoch=epoch)
    among = uniform_draws(torch.tensor([5, row, 9]), 6, seed=seed, epoch=epoch)
    assert torch.equal(alone[0], among[1])


def test_augmented_image_is_the_same_alone_and_in_any_batch():
    pictures, rows = _pictures(5), torch.tensor([4, 8, 15, 16, 23])
    together = augment(pictures, rows, config=AugmentConfig(), seed=7, epoch=2)
    for position in range(5):
        alone = augment(
            pictures[position : position + 1], rows[position : position + 1], config=AugmentConfig(), seed=7, epoch=2
        )
        torch.testing.assert_close(alone[0], together[position], rtol=0, atol=1e-6)


def test_every_sample_gets_its_own_change():
    same = _pictures(1).expand(6, 1, 24, 24)
    changed = augment(same, torch.arange(6), config=AugmentConfig(), seed=0, epoch=0)
    differences = [(changed[i] - changed[j]).abs().max() for i in range(6) for j in range(i)]
    assert min(differences) > 1e-3


@pytest.mark.parametrize("other", [{"epoch": 1}, {"seed": 1}])
def test_another_epoch_or_seed_changes_differently(other):
    first = augment(_pictures(2), torch.arange(2), config=AugmentConfig(), **{"seed": 0, "epoch": 0})
    second = augment(_pictures(2), torch.arange(2), config=AugmentConfig(), **{"seed": 0, "epoch": 0, **other})
    assert (first - second).abs().max() > 1e-3


def test_without_ranges_nothing_changes():
    pictures = _pictures(3)
    torch.testing.assert_close(augment(pictures, torch.arange(3), config=STILL, seed=0, epoch=0), pictures)


def test_rotation_moves_by_the_stated_angle_at_most():
    picture = torch.zeros(64, 1, 65, 65)
    picture[:, :, 32, 60] = 1.0
    config = AugmentConfig(rotation=20, translation=0, scale=0, contrast=0, gamma=0, noise=0)
    turned = augment(picture, torch.arange(64), config=config, seed=0, epoch=0)
    rows = turned.flatten(1).argmax(1) // 65
    offset = (rows - 32).abs().max()
    assert 5 <= offset <= 28 * torch.sin(torch.deg2rad(torch.tensor(20.0))) + 1


def test_noise_has_the_stated_sd():
    flat = torch.full((4, 1, 64, 64), 0.5)
    config = AugmentConfig(rotation=0, translation=0, scale=0, contrast=0, gamma=0, noise=0.02)
    noisy = augment(flat, torch.arange(4), config=config, seed=0, epoch=0)
    assert float(noisy.std()) == pytest.approx(0.02, rel=0.05)
    assert float(noisy.mean()) == pytest.approx(0.5, abs=0.001)


def test_result_stays_in_range():
    changed = augment(_pictures(8), torch.arange(8), config=AugmentConfig(contrast=2.0), seed=0, epoch=0)
    assert 0.0 <= float(changed.min()) <= float(changed.max()) <= 1.0
