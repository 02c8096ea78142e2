"""The trabecular region of boxes, ellipsoids and made-up vertebrae, whose sizes are known in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_bmd.data.volumes.trabecular import METAL_HU, METAL_MARGIN_MM, erode, trabecular_region
from xattn_bmd.errors import VolumeError
from xattn_bmd.types import Volume

SPACING = (2.0, 1.0, 1.0)


def volume_of(hu, spacing=SPACING):
    return Volume(hu.astype(np.float32), spacing, np.diag([*spacing, 1.0]), ())


def grid(shape, spacing):
    axes = ((np.arange(side) - (side - 1) / 2) * step for side, step in zip(shape, spacing, strict=True))
    return np.meshgrid(*axes, indexing="ij")


@settings(deadline=None, max_examples=25)
@given(
    sides=st.tuples(*[st.integers(3, 12)] * 3),
    thick=st.sampled_from([1.0, 2.5, 5.0]),
    pixel=st.sampled_from([0.7, 1.5]),
    margin=st.sampled_from([0.0, 1.2, 3.1, 4.2]),
)
def test_a_box_loses_its_margin_on_every_side(sides, thick, pixel, margin):
    steps = (thick, pixel, pixel)
    kept = erode(np.pad(np.ones(sides, bool), 2), steps, margin_mm=margin)
    deep = zip(sides, steps, strict=True)
    expected = [sum((min(i, side - 1 - i) + 0.5) * step > margin for i in range(side)) for side, step in deep]
    assert kept.sum() == np.prod(expected)


def test_the_border_of_the_array_is_a_surface():
    cut, whole = np.ones((8, 8, 8), bool), np.pad(np.ones((8, 8, 8), bool), 3)
    assert erode(cut, SPACING, margin_mm=2.2).sum() == erode(whole, SPACING, margin_mm=2.2).sum() > 0


def test_a_ball_becomes_the_smaller_ball():
    z, y, x = grid((41, 41, 41), (1.0, 1.0, 1.0))
    away = np.sqrt(x**2 + y**2 + z**2)
    kept = erode(away <= 18, (1.0, 1.0, 1.0), margin_mm=5.0)
    assert not kept[away > 13.9].any() and kept[away < 12.1].all()
    assert np.cbrt(kept.sum() * 3 / (4 * np.pi)) == pytest.approx(13, abs=0.5)


def test_pedicles_and_arch_are_dropped():
    z, y, x = grid((14, 80, 80), SPACING)
    body = ((x / 22) ** 2 + ((y + 12) / 16) ** 2 <= 1) & (np.abs(z) < 13)
    pedicle = (np.abs(np.abs(x) - 14) < 7) & (y > -5) & (y < 20) & (np.abs(z) < 7)
    whole = trabecular_region(volume_of(np.full(z.shape, 120.0)), body | pedicle)
    alone = trabecular_region(volume_of(np.full(z.shape, 120.0)), body)
    assert alone.sum() > 2000 and not whole[y > 6].any()
    assert (alone & ~whole).sum() < 0.02 * alone.sum() and whole.sum() < 1.12 * alone.sum()


def test_metal_and_its_surroundings_are_left_out():
    z, _, x = grid((16, 50, 50), SPACING)
    hu = np.where(np.hypot(x - 6, z) <= 3, 3000.0, 120.0)
    region = trabecular_region(volume_of(hu), np.ones(hu.shape, bool))
    without = trabecular_region(volume_of(np.full(hu.shape, METAL_HU - 1)), np.ones(hu.shape, bool))
    metal = np.argwhere(hu >= METAL_HU) * SPACING
    kept, lost = (np.argwhere(mask) * SPACING for mask in (region, without & ~region))
    nearest = [np.sqrt(((points[:, None] - metal[None]) ** 2).sum(-1)).min(1) for points in (kept[::7], lost[::3])]
    assert nearest[0].min() > METAL_MARGIN_MM and nearest[1].max() <= METAL_MARGIN_MM and len(lost) > 100


def test_metal_beside_the_body_counts():
    hu = np.full((9, 40, 40), 120.0)
    body = np.zeros(hu.shape, bool)
    body[:, :, 4:34] = True
    plain = trabecular_region(volume_of(hu), body, margin_mm=2.0)
    hu[:, :, 35:37] = 3000.0
    assert not trabecular_region(volume_of(hu), body, margin_mm=2.0)[:, :, 30:].any() and plain[:, :, 30].any()


def test_nothing_in_nothing_out():
    empty = np.zeros((4, 6, 6), bool)
    assert not trabecular_region(volume_of(np.zeros(empty.shape)), empty).any()
    assert not erode(np.ones((2, 6, 6), bool), SPACING, margin_mm=9.0).any()


def test_wrong_settings_are_refused():
    with pytest.raises(VolumeError, match=r"0 mm or more.*-1"):
        erode(np.ones((2, 2, 2), bool), SPACING, margin_mm=-1.0)
    with pytest.raises(VolumeError, match="mask lies on the voxels"):
        trabecular_region(volume_of(np.zeros((4, 6, 6))), np.ones((4, 6, 5), bool))
