from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.segment.planted import TINY
from xattn_bmd.data.volumes.window import window
from xattn_bmd.segment.own_grid import labels_on_grid
from xattn_bmd.segment.sweep import sweep

CPU = torch.device("cpu")


class Uneven(nn.Module):
    """Answers that depend on the voxel, its neighbours, and where in the patch it lies."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.mix = nn.Conv3d(1, 2, 3, padding=1)
            nn.init.normal_(self.mix.weight)

    def forward(self, image_BCDHW):
        deep = torch.linspace(-1, 1, image_BCDHW.shape[2])[None, None, :, None, None]
        return self.mix(image_BCDHW) + torch.cat([deep, -0.5 * deep], dim=1)


def swept(hu, config):
    return np.stack(list(sweep(Uneven().eval(), hu, config=config, device=CPU)), axis=1)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.7])
@pytest.mark.parametrize("shape", [(8, 16, 16), (9, 17, 33), (29, 40, 21)])
def test_equals_monais_whole_volume_inference(shape, overlap):
    """MONAI holds all probabilities and all weights at once; here a slice leaves as soon as it is done."""
    inferers = pytest.importorskip("monai.inferers")
    hu = np.random.default_rng(0).uniform(-300, 1100, shape).astype(np.float32)
    config = replace(TINY, overlap=overlap)
    with torch.inference_mode():
        whole = inferers.sliding_window_inference(
            torch.from_numpy(window(hu))[None, None],
            config.patch,
            3,
            lambda patches: Uneven()(patches).softmax(dim=1),
            overlap=overlap,
            mode="gaussian",
            sigma_scale=0.25,
        )[0].numpy()
    found = swept(hu, config)
    assert found.shape == (2, *shape)
    np.testing.assert_allclose(found, whole, atol=2e-5)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_a_constant_network_gives_its_constant():
    found = np.stack(list(sweep(Constant(), np.zeros((21, 30, 19), np.float32), config=TINY, device=CPU)), axis=1)
    np.testing.assert_allclose(found[1], 0.75, atol=1e-5)


class Constant(nn.Module):
    def forward(self, image_BCDHW):
        return torch.cat([torch.zeros_like(image_BCDHW), torch.full_like(image_BCDHW, np.log(3.0))], dim=1)


def test_only_one_patch_depth_of_slices_is_held():
    """The slices of a later slab are not asked for before the earlier ones have left."""
    asked = []

    class Watched(Constant):
        def forward(self, image_BCDHW):
            asked.append(len(asked))
            return super().forward(image_BCDHW)

    planes = sweep(Watched(), np.zeros((64, 16, 16), np.float32), config=TINY, device=CPU)
    for _ in range(4):
        next(planes)
    assert len(asked) == 1
    next(planes)
    assert len(asked) == 2


@pytest.mark.parametrize("shape", [(5, 9, 7), (8, 3, 40), (4, 4, 4)])
def test_a_volume_smaller_than_a_patch(shape):
    hu = np.random.default_rng(1).uniform(-300, 1100, shape).astype(np.float32)
    found = swept(hu, TINY)
    assert found.shape == (2, *shape)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_labels_on_a_finer_grid_follow_the_interpolated_probability():
    """A ramp of probability along each axis crosses 0.5 in the middle, on any grid."""
    ramp = np.linspace(0, 1, 10, dtype=np.float32)
    for axis, seen in ((0, (10, 2, 2)), (1, (2, 10, 2)), (2, (2, 2, 10))):
        place = [None, None, None]
        place[axis] = slice(None)
        one = np.broadcast_to(ramp[tuple(place)], seen)
        planes = [np.stack([1 - plane, plane]) for plane in one]
        shape, spacing = [2, 2, 2], [3.0, 3.0, 3.0]
        shape[axis], spacing[axis] = 40, 0.75
        labels = labels_on_grid(
            planes, seen=seen, seen_mm=(3.0, 3.0, 3.0), shape=tuple(shape), spacing_mm=tuple(spacing)
        )
        along = np.moveaxis(labels, axis, 0).reshape(40, -1)
        assert (along[:20] == 0).all() and (along[20:] == 1).all()


def test_labels_on_a_coarser_grid():
    one = np.zeros((12, 12, 12), np.float32)
    one[6:] = 1
    labels = labels_on_grid(
        [np.stack([1 - plane, plane]) for plane in one],
        seen=(12, 12, 12),
        seen_mm=(1.0, 1.0, 1.0),
        shape=(4, 6, 3),
        spacing_mm=(3.0, 2.0, 4.0),
    )
    assert labels[:, 0, 0].tolist() == [0, 0, 1, 1] and labels.shape == (4, 6, 3)
