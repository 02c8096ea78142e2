"""Gantry tilt: slices that drift within their plane are put straight, exactly for a linear body."""

import numpy as np
import pytest

from tests.data.volumes.made_scans import expected, write_series
from xattn_bmd import read_volume
from xattn_bmd.data.volumes.tilt import Straightening

SHAPE = (12, 5)


def _tilted(degrees):
    """Slices of a gantry that leans about the left-right axis while the table moves along z."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return {"right": (1, 0, 0), "down": (0, c, s), "step": (0.0, 0.0, 3.0), "shape": SHAPE}


@pytest.mark.parametrize("degrees", [-25, -8, 8, 25])
def test_a_tilted_series_is_put_straight(tmp_path, degrees):
    volume = read_volume(write_series(tmp_path / "scan", **_tilted(degrees)))
    assert any(f"gantry tilt of {abs(degrees)}.0 degrees" in step for step in volume.steps)
    axes = volume.affine[:3, :3] / np.array(volume.spacing_mm)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-6)
    assert volume.spacing_mm == pytest.approx((3 * np.cos(np.radians(degrees)), 2.0, 1.0))
    truth = expected(volume)
    # the outermost covered row mixes with air; nearly all of each slice is exact (stored as whole numbers)
    right = np.abs(volume.voxels - truth) < 1
    air = volume.voxels == -1024
    assert (right[:, :, 1:-1].sum(axis=1) >= SHAPE[0] - 2).all()
    assert (right | air).any(axis=(0, 2)).all()
    assert ((~right & ~air).sum(axis=1) <= 2).all()


def test_a_lean_by_rounding_is_no_tilt(tmp_path):
    volume = read_volume(write_series(tmp_path / "scan", step=(0.001, -0.002, 3.0)))
    assert not any("tilt" in step for step in volume.steps)
    assert volume.voxels.shape == (7, 6, 5)
    np.testing.assert_allclose(volume.voxels, expected(volume), atol=1.0)


def test_whole_pixels_of_drift_move_nothing_else(tmp_path):
    volume = read_volume(write_series(tmp_path / "scan", step=(-1.0, 2.0, 3.0)))
    inside = volume.voxels > -1024
    assert volume.voxels.shape == (7, 6 + 6, 5 + 6)
    assert inside.sum() == 7 * 6 * 5
    np.testing.assert_array_equal(volume.voxels[inside], expected(volume)[inside])


def test_fractions_of_a_pixel_are_interpolated():
    straightening = Straightening((3, 2), slices=3, drift_pixels=(-0.25, 0.0))
    values = np.array([[0.0, 0.0], [100.0, 100.0], [200.0, 200.0]], dtype=np.float32)
    assert straightening.first_pixel == (-1, 0) and straightening.shape == (4, 2)
    np.testing.assert_allclose(straightening.straight(values, 0)[1:, 0], [0, 100, 200])
    # moved up by a quarter: 25 % of the row below
    np.testing.assert_allclose(straightening.straight(values, 1)[1:3, 0], [25, 125])
