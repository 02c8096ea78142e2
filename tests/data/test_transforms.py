"""Augmentation: each radiograph draws for itself, whatever its batch, order or epoch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from xattn_bmd.config import AugmentConfig
from xattn_bmd.data import transforms
from xattn_bmd.data.checks.flip import check_flip
from xattn_bmd.data.draws import uniform_draws
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.data.transforms import augment
from xattn_bmd.errors import ConfigError

STILL = AugmentConfig(rotation=0, translation=0, scale=0, contrast=0, gamma=0, noise=0)
FULL = AugmentConfig(flip=0.5, cutout=0.3)


def _pictures(count, size=24):
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(3))


def _smooth(count, size=96):
    rough = np.random.default_rng(0).random((count, 1, size, size))
    soft = ndimage.gaussian_filter(rough, (0, 0, 6, 6))
    return torch.from_numpy((soft - soft.min()) / np.ptp(soft)).float()


def _augment(image, row, config=FULL, *, seed=7, epoch=2):
    return augment(image, row, config=config, seed=seed, epoch=epoch)


@given(
    rows=st.lists(st.integers(0, 10**6), min_size=2, max_size=6, unique=True),
    size=st.integers(8, 40),
    seed=st.integers(0, 2**31),
    epoch=st.integers(0, 300),
)
@settings(max_examples=30, deadline=None)
def test_a_picture_changes_to_the_same_bits_alone_in_any_batch_and_in_any_order(rows, size, seed, epoch):
    pictures, row = _pictures(len(rows), size), torch.tensor(rows)
    together = _augment(pictures, row, seed=seed, epoch=epoch)
    backwards = _augment(pictures.flip(0), row.flip(0), seed=seed, epoch=epoch).flip(0)
    alone = torch.cat([_augment(pictures[[at]], row[[at]], seed=seed, epoch=epoch) for at in range(len(rows))])
    assert torch.equal(together, backwards)
    assert torch.equal(together, alone)


def test_large_pictures_too_change_to_the_same_bits_alone_and_in_a_batch():
    pictures, row = _pictures(9, 224), torch.arange(9)
    together = _augment(pictures, row)
    assert all(torch.equal(_augment(pictures[[at]], row[[at]])[0], together[at]) for at in range(9))


def test_drawing_once_for_the_batch_is_found(monkeypatch):
    """A planted fault: the draws of the first picture serve them all."""
    once = lambda row, count, *, seed, epoch: uniform_draws(row[:1].expand(len(row)), count, seed=seed, epoch=epoch)  # noqa: E731
    test_every_sample_gets_its_own_change()
    monkeypatch.setattr(transforms, "uniform_draws", once)
    with pytest.raises(AssertionError):
        test_every_sample_gets_its_own_change()
    with pytest.raises(AssertionError):
        test_large_pictures_too_change_to_the_same_bits_alone_and_in_a_batch()


def test_every_sample_gets_its_own_change():
    same = _pictures(1).expand(6, 1, 24, 24)
    for config in (replace(AugmentConfig(), noise=0), replace(STILL, noise=0.01), replace(STILL, cutout=0.3)):
        changed = _augment(same, torch.arange(6), config)
        assert min((changed[i] - changed[j]).abs().max() for i in range(6) for j in range(i)) > 1e-3


@pytest.mark.parametrize("other", [{"epoch": 1}, {"seed": 1}])
def test_another_epoch_or_seed_changes_differently(other):
    first = _augment(_pictures(2), torch.arange(2), AugmentConfig(), seed=0, epoch=0)
    second = _augment(_pictures(2), torch.arange(2), AugmentConfig(), **{"seed": 0, "epoch": 0, **other})
    assert (first - second).abs().max() > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_without_ranges_no_bit_changes(dtype):
    pictures = _pictures(3).to(dtype)
    assert torch.equal(_augment(pictures, torch.arange(3), STILL), pictures)


@pytest.mark.parametrize("config", [FULL, replace(STILL, noise=0.1), replace(STILL, cutout=0.5)])
def test_the_given_pictures_are_left_as_they_are(config):
    pictures = _pictures(4)
    _augment(pictures, torch.arange(4), config)
    assert torch.equal(pictures, _pictures(4))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_types_are_kept_and_change_alike(dtype):
    pictures = _smooth(4)
    changed = _augment(pictures.to(dtype), torch.arange(4))
    assert changed.dtype == dtype
    torch.testing.assert_close(changed.float(), _augment(pictures, torch.arange(4)), rtol=0, atol=0.02)


@given(
    st.builds(
        AugmentConfig,
        rotation=st.sampled_from([0.0, 40.0]),
        scale=st.sampled_from([0.0, 0.5]),
        contrast=st.sampled_from([0.0, 2.0]),
        gamma=st.sampled_from([0.0, 2.0]),
        noise=st.sampled_from([0.0, 0.5]),
        flip=st.sampled_from([0.0, 0.5]),
        cutout=st.sampled_from([0.0, 0.4, 1.0]),
    )
)
@settings(max_examples=25, deadline=None)
def test_grey_levels_stay_between_0_and_1(config):
    extremes = (_pictures(4) > 0.5).float()
    changed = _augment(extremes, torch.arange(4), config)
    assert 0.0 <= float(changed.min()) <= float(changed.max()) <= 1.0


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_geometry_is_that_of_scipy(flip):
    pictures, row, size = _smooth(6), torch.arange(6), 96
    found = _augment(pictures, row, replace(STILL, rotation=12, scale=0.1, translation=0.06, flip=flip))
    signed = uniform_draws(row, 4, seed=7, epoch=2).double().numpy() * 2 - 1
    for at, (turn, grow, right, down) in enumerate(signed):
        angle, middle = np.radians(12 * turn), (size - 1) / 2
        matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / (1 + 0.1 * grow)
        source_of_middle = middle + 0.06 * size * np.array([down, right])
        picture = pictures[at, 0].numpy()[:, :: -1 if flip else 1]
        expected = ndimage.affine_transform(
            picture, matrix, offset=source_of_middle - matrix @ [middle, middle], order=1, mode="nearest"
        )
        np.testing.assert_allclose(found[at, 0].numpy(), expected, atol=2e-5)


def test_a_certain_flip_is_exactly_the_mirror_image():
    pictures = _pictures(5, 27)
    assert torch.equal(_augment(pictures, torch.arange(5), replace(STILL, flip=1.0)), pictures.flip(-1))


def test_flips_come_as_often_as_asked_and_leave_the_others_alone():
    pictures = _pictures(1, 8).expand(4000, 1, 8, 8)
    changed = _augment(pictures, torch.arange(4000), replace(STILL, flip=0.3))
    mirrored = (changed == pictures.flip(-1)).all(dim=(1, 2, 3))
    kept = (changed == pictures).all(dim=(1, 2, 3))
    assert bool((mirrored ^ kept).all())
    assert stats.binomtest(int(mirrored.sum()), 4000, 0.3).pvalue > 0.001


def test_tone_follows_the_stated_formulas():
    pictures, row = _pictures(6), torch.arange(6)
    changed = _augment(pictures, row, replace(STILL, gamma=0.3, contrast=0.2)).numpy()
    gamma, contrast = uniform_draws(row, 6, seed=7, epoch=2).double().numpy()[:, 4:].T * 2 - 1
    for at, picture in enumerate(pictures.double().numpy()):
        curved = picture**2 ** (0.3 * gamma[at])
        expected = (curved - curved.mean()) * (1 + 0.2 * contrast[at]) + curved.mean()
        np.testing.assert_allclose(changed[at], expected.clip(0, 1), atol=2e-6)


def test_noise_is_white_and_normal_with_the_stated_sd():
    grey = torch.full((16, 1, 64, 64), 0.5)
    noise = (_augment(grey, torch.arange(16), replace(STILL, noise=0.02)) - grey).numpy()
    assert stats.kstest(noise.ravel() / 0.02, "norm").pvalue > 0.001
    for left, right in ((noise[..., 1:], noise[..., :-1]), (noise[..., 1:, :], noise[..., :-1, :])):
        assert abs(np.corrcoef(left.ravel(), right.ravel())[0, 1]) < 0.015


@pytest.mark.parametrize(("share", "side"), [(0.25, 10), (0.5, 20), (1.0, 40), (0.01, 0)])
def test_cut_outs_have_the_stated_side_and_the_mean(share, side):
    pictures = _pictures(50, 40)
    changed = _augment(pictures, torch.arange(50), replace(STILL, cutout=share))
    for before, after in zip(pictures[:, 0], changed[:, 0], strict=True):
        rows, columns = torch.nonzero(before != after, as_tuple=True)
        assert len(rows) == side**2
        if side:
            square = after[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert square.shape == (side, side)
            torch.testing.assert_close(square, before.mean().expand_as(square))


def test_cut_outs_lie_anywhere_in_the_picture():
    pictures = _pictures(1, 12).expand(3000, 1, 12, 12)
    changed = _augment(pictures, torch.arange(3000), replace(STILL, cutout=0.25))
    cut = (changed != pictures)[:, 0]
    top, left = cut.any(2).int().argmax(1), cut.any(1).int().argmax(1)
    for start in (top, left):
        assert stats.chisquare(np.bincount(start.numpy(), minlength=10)).pvalue > 0.001
    assert abs(np.corrcoef(top.numpy(), left.numpy())[0, 1]) < 0.08


def test_rectangular_pictures_are_served():
    pictures = torch.rand(3, 1, 20, 30)
    changed = _augment(pictures, torch.arange(3), replace(STILL, flip=1.0, cutout=0.5))
    assert (changed != pictures.flip(-1)).sum(dim=(1, 2, 3)).tolist() == [100] * 3


def test_mirror_images_are_refused_where_the_side_is_a_variable():
    told = CohortRoles(id="scan", patient="person", side="side", categorical=(("side", ("L", "R")),))
    untold = replace(told, categorical=(("sex", ("female", "male")),))
    with pytest.raises(ConfigError, match=r"flip is 0\.5 and the side column 'side'"):
        check_flip(0.5, told)
    check_flip(0.0, told)
    check_flip(0.5, untold)
    check_flip(0.5, replace(untold, side=None))
