import numpy as np
import pytest

from xattn_bmd.simulate.chest.loft import merge, tube
from xattn_bmd.simulate.chest.thorax import Stance
from xattn_bmd.simulate.projection import Beam

STANCE = Stance(rotation=0.0, tilt=0.0, raised=(0.0, 0.0), breath=0.0)
BEAM = Beam(size=101, spacing_mm=1.0, source_detector_mm=1e6, source_hip_mm=1e6 - 100, centre_mm=(0.0, 0.0))


def volume(vertices, faces):
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return float(np.sum(a * np.cross(b, c)) / 6)


def rod(angle=0.0, **changed):
    far = 30 * np.array([np.cos(angle), 0, np.sin(angle)])
    settings = {"across": 8.0, "deep": 5.0, "cortex": 1.5, "up": (0.0, 0.3, 1.0), "sides": 180}
    return tube(np.linspace(-far, far, 9), **(settings | changed))


def test_a_tube_has_the_volume_of_an_elliptic_rod_and_faces_outwards():
    one = rod()
    assert volume(one.outer, one.faces) == pytest.approx(np.pi * 8 * 5 * 60, rel=1e-3)
    assert volume(one.inner, one.faces) == pytest.approx(np.pi * 6.5 * 3.5 * 57, rel=1e-3)


def test_the_path_through_a_tube_is_the_chord_of_two_ellipses():
    outer, inner = rod(up=(0.0, 0.0, 1.0)).thickness(STANCE, BEAM)
    for height in (0, 2, 4, 6, 7):
        assert outer[50 - height, 50] == pytest.approx(10 * np.sqrt(1 - (height / 8) ** 2), rel=0.01)
        hollow = 7 * np.sqrt(max(1 - (height / 6.5) ** 2, 0))
        assert inner[50 - height, 50] == pytest.approx(hollow, abs=0.05)
    assert outer[50 - 9, 50] == outer[50, 90] == 0


def test_a_tube_along_the_ray_shows_as_a_ring():
    end_on = tube([[0, -20, 0], [0, 0, 0], [0, 20, 0]], across=6, deep=6, cortex=2, up=(0, 0, 1), sides=90)
    outer, inner = end_on.thickness(STANCE, BEAM)
    assert outer[50, 50] == pytest.approx(40, rel=1e-3) and inner[50, 50] == pytest.approx(36, rel=1e-3)
    assert (outer - inner)[50, 55] == pytest.approx(40, rel=1e-3)


def test_merged_tubes_add_up():
    one, other = rod(), rod(angle=0.8)
    both = merge([one, other]).path(STANCE, BEAM)
    assert np.allclose(both, one.path(STANCE, BEAM) + other.path(STANCE, BEAM), atol=2e-3)
    assert np.array_equal(one.path(STANCE, BEAM), one.thickness(STANCE, BEAM)[0])
