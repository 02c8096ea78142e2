"""Views of a picture: the first is the picture, the others lie evenly around it, mirrored only where training was."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from xattn_bmd.config import AugmentConfig
from xattn_bmd.data.views import AS_IT_IS, View, prediction_views

AUGMENT = AugmentConfig(rotation=8.0, translation=0.1)


def _smooth(seed=0, size=48):
    drawn = np.random.default_rng(seed).random((size, size)).astype(np.float32)
    return torch.from_numpy(ndimage.gaussian_filter(drawn, 3.0))[None, None]


def test_the_picture_as_it_is_comes_first_and_is_left_alone():
    image = _smooth()
    assert prediction_views(1, augment=AUGMENT) == (AS_IT_IS,)
    assert prediction_views(7, augment=AUGMENT)[0] == AS_IT_IS
    assert AS_IT_IS.of(image) is image


@pytest.mark.parametrize("count", [3, 5, 9])
def test_views_are_balanced_around_the_picture_and_within_half_of_training(count):
    views = prediction_views(count, augment=AUGMENT)
    assert len(set(views)) == count and not any(view.mirrored for view in views)
    for part, most in (("degrees", 4.0), ("right", 0.05), ("down", 0.05)):
        values = [getattr(view, part) for view in views]
        assert sum(values) == pytest.approx(0.0, abs=1e-8)
        assert max(map(abs, values)) <= most + 1e-9


@pytest.mark.parametrize("count", [2, 4, 5])
def test_a_mirror_image_follows_each_view_only_where_training_showed_some(count):
    views = prediction_views(count, augment=AugmentConfig(flip=0.5))
    assert [view.mirrored for view in views] == [bool(k % 2) for k in range(count)]
    assert not any(view.mirrored for view in prediction_views(count, augment=AugmentConfig()))


def test_a_mirror_image_is_exact_and_left_and_right_change_places():
    image = _smooth()
    assert torch.equal(View(mirrored=True).of(image), image.flip(-1))
    moved, mirrored = (View(right=0.125, mirrored=flip).of(image) for flip in (False, True))
    assert not torch.allclose(moved, mirrored, atol=1e-3)


def test_a_shift_is_to_the_right_and_downwards_as_its_name_says():
    image = _smooth()
    moved = View(right=0.25, down=0.125).of(image)
    torch.testing.assert_close(moved[..., 6:, 12:], image[..., :-6, :-12], atol=1e-5, rtol=0)


def test_a_turn_is_that_of_scipy():
    image = _smooth(size=49)
    turned = View(degrees=10.0).of(image)[0, 0].numpy()
    both = [ndimage.rotate(image[0, 0].numpy(), angle, reshape=False, order=1, mode="nearest") for angle in (10, -10)]
    inner = slice(10, -10)
    off = [np.abs(turned - other)[inner, inner].max() for other in both]
    assert min(off) < 1e-3 < max(off)


def test_a_view_is_the_same_alone_and_in_a_batch():
    images = torch.cat([_smooth(seed) for seed in range(3)])
    view = prediction_views(5, augment=AUGMENT)[2]
    torch.testing.assert_close(view.of(images)[1:2], view.of(images[1:2]), atol=1e-6, rtol=0)
