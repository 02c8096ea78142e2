"""Crop, resample and window keep each voxel at its point."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_bmd import Volume
from xattn_bmd.data.volumes.crop import crop
from xattn_bmd.data.volumes.resample import resample, resample_labels, weights
from xattn_bmd.data.volumes.window import window
from xattn_bmd.errors import VolumeError
from xattn_bmd.types import LabelMap

AFFINE = np.array([[0, 0, 0.75, -30], [0, 0.5, 0, 12], [-2.0, 0, 0, 300], [0, 0, 0, 1]])


def _points(volume):
    index = np.stack(np.meshgrid(*map(np.arange, volume.voxels.shape), indexing="ij"), axis=-1)
    return index @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def _volume(shape=(7, 9, 8), *, values=None, seed=0):
    values = np.random.default_rng(seed).normal(0, 300, shape) if values is None else values
    return Volume(values.astype(np.float32), spacing_mm=(2.0, 0.5, 0.75), affine=AFFINE, steps=("read",))


def _linear(volume):
    return replace(volume, voxels=(_points(volume) @ np.array([3.0, -5.0, 2.0]) - 600).astype(np.float32))


@pytest.mark.parametrize("spacing", [(1.0, 0.5, 0.75), (2.0, 1.0, 1.5), (3.0, 0.4, 2.0), (2.0, 0.5, 0.75)])
def test_a_linear_body_stays_itself_away_from_the_border(spacing):
    volume = _linear(_volume((12, 30, 24)))
    result = resample(volume, spacing)
    truth = _linear(result).voxels
    inner = (slice(3, -3), slice(4, -4), slice(4, -4))
    assert result.spacing_mm == spacing and result.orientation == ("I", "P", "L")
    np.testing.assert_allclose(np.linalg.norm(result.affine[:3, :3], axis=0), spacing)
    np.testing.assert_allclose(result.voxels[inner], truth[inner], atol=2e-3)
    # the centre of the field stays where it was
    for one, other in ((volume, result),):
        middle = [[*((np.array(v.voxels.shape) - 1) / 2), 1] @ v.affine.T for v in (one, other)]
        np.testing.assert_allclose(middle[0], middle[1])


def test_finer_spacing_is_trilinear_interpolation():
    volume = _volume()
    result = resample(volume, (1.0, 0.25, 0.375))
    oracle = torch.nn.functional.interpolate(
        torch.from_numpy(volume.voxels)[None, None], scale_factor=2, mode="trilinear", align_corners=False
    )
    np.testing.assert_allclose(result.voxels, oracle[0, 0].numpy(), atol=1e-3)


@pytest.mark.parametrize(("old", "ratio"), [(12, 2.0), (12, 1.5), (20, 3.3), (5, 1.01), (3, 3.0)])
def test_coarser_voxels_are_the_mean_of_a_stretch_of_the_line_between_voxels(old, ratio):
    row = np.random.default_rng(old).normal(0, 300, old)
    new = round(old / ratio)
    centres = (np.arange(new) - (new - 1) / 2) * ratio + (old - 1) / 2
    stretch = (np.arange(4000) + 0.5) / 4000 - 0.5
    # np.interp repeats the outermost value beyond the border
    oracle = np.interp(centres[:, None] + stretch * np.sqrt(ratio**2 - 1), np.arange(old), row).mean(axis=1)
    np.testing.assert_allclose(weights(old, new, ratio=ratio) @ row, oracle, atol=0.05)


@given(st.integers(1, 30), st.floats(0.2, 6))
@settings(max_examples=60, deadline=None)
def test_weights_are_means(old, ratio):
    new = max(1, round(old / ratio))
    table = weights(old, new, ratio=ratio)
    assert table.shape == (new, old) and (table >= 0).all()
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-6)
    # symmetric about the centre
    np.testing.assert_allclose(table, table[::-1, ::-1], atol=1e-6)


def test_the_same_spacing_changes_nothing():
    volume = _volume()
    same = resample(volume, volume.spacing_mm)
    np.testing.assert_array_equal(same.voxels, volume.voxels)
    np.testing.assert_allclose(same.affine, volume.affine)


def test_a_cached_volume_is_resampled_too():
    whole = _volume(values=np.random.default_rng(1).integers(-1000, 2000, (7, 9, 8)))
    stored = replace(whole, voxels=whole.voxels.astype(np.int16))
    np.testing.assert_array_equal(resample(stored, (3.0, 1, 1)).voxels, resample(whole, (3.0, 1, 1)).voxels)


def test_labels_lie_on_the_grid_of_their_volume_and_stay_whole():
    volume = _volume((7, 9, 8))
    labels = LabelMap((volume.voxels > 0).astype(np.uint16) * 3, {}, volume.spacing_mm, volume.affine, ())
    for spacing in ((2.0, 0.5, 0.75), (1.0, 1.0, 1.0), (4.0, 0.2, 3.0)):
        result, grid = resample_labels(labels, spacing), resample(volume, spacing)
        assert result.labels.shape == grid.voxels.shape and set(np.unique(result.labels)) <= {0, 3}
        np.testing.assert_allclose(result.affine, grid.affine)
    finer = resample_labels(labels, (1.0, 0.5, 0.75)).labels
    np.testing.assert_array_equal(finer[0::2], labels.labels)
    np.testing.assert_array_equal(finer[1::2], labels.labels)


@pytest.mark.parametrize("spacing", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, float("nan"))])
def test_impossible_spacings(spacing):
    with pytest.raises(VolumeError, match="three positive lengths"):
        resample(_volume(), spacing)


def test_resampling_holds_the_result_and_little_more():
    volume = _volume((60, 64, 64))
    resample(_volume(), (1.0, 1.0, 1.0))  # imports
    tracemalloc.start()
    try:
        result = resample(volume, (1.0, 0.5, 0.75))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.25 * result.voxels.nbytes


def test_a_crop_is_a_view_in_its_place():
    volume = _linear(_volume())
    box = crop(volume, start=(1, 2, 3), stop=(7, 5, 8))
    assert box.voxels.shape == (6, 3, 5) and np.shares_memory(box.voxels, volume.voxels)
    np.testing.assert_allclose(box.voxels, _linear(box).voxels)


@pytest.mark.parametrize(("start", "stop"), [((0, 0, 0), (8, 9, 8)), ((-1, 0, 0), (7, 9, 8)), ((2, 0, 0), (2, 9, 8))])
def test_boxes_outside_or_empty_are_refused(start, stop):
    with pytest.raises(VolumeError, match="does not fit"):
        crop(_volume(), start=start, stop=stop)


def test_window_is_linear_and_clipped_and_leaves_its_input():
    voxels = np.array([[-1024.0, -200, 100], [400, 1000, 3071]], dtype=np.float32)
    before = voxels.copy()
    np.testing.assert_allclose(window(voxels), [[0, 0, 0.25], [0.5, 1, 1]])
    np.testing.assert_allclose(window(voxels, low=0, high=400)[1], 1)
    np.testing.assert_array_equal(voxels, before)
    with pytest.raises(VolumeError, match="low is 5 and high 5"):
        window(voxels, low=5, high=5)
