"""The rods of a phantom: planted where they may lie, and what must not be taken for them."""

import numpy as np
import pytest

from xattn_bmd.bone.phantom import HA_PHANTOM, CalibrationPhantom
from xattn_bmd.data.volumes.rods import find_rods
from xattn_bmd.errors import VolumeError
from xattn_bmd.types import Volume

PIXEL = 2.0


def planted(*, row=30, column=20, steep=1.33, water=0.0, order=1, noise=8.0, turn=0.0, densities=HA_PHANTOM.densities):
    rng = np.random.default_rng(0)
    hu = np.full((20, 48, 110), -1000.0)
    hu[:, :22] = 45.0
    hu[:, 22:42] = 0.0
    y, x = np.ogrid[:48, :110]
    for number, density in enumerate(densities[::order]):
        at = column + number * 40.0 / PIXEL
        hu[:, np.hypot(y - row - turn * number, x - at) <= 5] = water + steep * density
    hu += noise * rng.standard_normal(hu.shape)
    return Volume(hu.astype(np.float32), (3.0, PIXEL, PIXEL), np.eye(4), ())


@pytest.mark.parametrize("steep, water", [(1.19, -8.0), (1.33, 0.0), (1.85, 12.0)])
@pytest.mark.parametrize("row, column, turn", [(30, 20, 0.0), (33, 37, 0.4)])
def test_rods_are_read_where_they_lie(steep, water, row, column, turn):
    rods = find_rods(planted(row=row, column=column, steep=steep, water=water, turn=turn), HA_PHANTOM)
    assert rods.hu == pytest.approx([water + steep * known for known in HA_PHANTOM.densities], abs=1.5)
    assert abs(rods.row - row - 1.5 * turn) <= 1 and abs(rods.columns[0] - column) <= 1
    assert np.diff(rods.columns).tolist() == [20, 20, 20] and rods.residual_hu < 1


def test_a_phantom_that_lies_the_other_way_round_is_found():
    rods = find_rods(planted(order=-1), HA_PHANTOM)
    assert rods.hu == pytest.approx([1.33 * known for known in HA_PHANTOM.densities], abs=1.5)
    assert rods.columns[0] > rods.columns[-1]


def test_only_the_slices_asked_for_are_used():
    volume = planted()
    volume.voxels[:10] = -1000.0
    assert find_rods(volume, HA_PHANTOM, slices=(10, 20)).hu[3] == pytest.approx(266, abs=2)
    with pytest.raises(VolumeError, match="not found"):
        find_rods(volume, HA_PHANTOM)
    with pytest.raises(VolumeError, match="from 0 to 20, but 5 to 21"):
        find_rods(volume, HA_PHANTOM, slices=(5, 21))


@pytest.mark.parametrize(
    "change",
    [
        {"densities": (0.0, 0.0, 0.0, 0.0)},
        {"densities": (0.0, 100.0, 50.0, 200.0)},
        {"densities": (0.0, 50.0, 200.0, 200.0)},
        {"steep": 0.4},
        {"steep": 3.5},
        {"water": 400.0},
    ],
)
def test_what_is_no_phantom_is_not_taken_for_one(change):
    with pytest.raises(VolumeError, match=r"ha_0_50_100_200 in the field .*not found.*uncalibrated"):
        find_rods(planted(**change), HA_PHANTOM)


def test_bands_are_no_rods():
    """Even, evenly spaced and in line with the densities, but not round."""
    volume = planted()
    for number, density in enumerate(HA_PHANTOM.densities):
        volume.voxels[:, 22:42, 10 + 20 * number : 30 + 20 * number] = 1.33 * density
    with pytest.raises(VolumeError, match="not found"):
        find_rods(volume, HA_PHANTOM)


def test_a_field_narrower_than_the_phantom():
    narrow = planted()
    with pytest.raises(VolumeError, match="not found"):
        find_rods(Volume(narrow.voxels[:, :, :50], narrow.spacing_mm, narrow.affine, ()), HA_PHANTOM)


def test_another_phantom_is_found_when_it_is_stated():
    other = CalibrationPhantom(name="three", densities=(0.0, 75.0, 150.0), spacing_mm=40.0, radius_mm=10.0)
    rods = find_rods(planted(densities=other.densities), other)
    assert rods.hu == pytest.approx([0, 99.75, 199.5], abs=1.5)
