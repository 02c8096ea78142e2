import numpy as np
import pytest

from xattn_bmd.simulate.chest.clavicle import sample_clavicles
from xattn_bmd.simulate.chest.thorax import Stance, sample_thorax
from xattn_bmd.simulate.dxa import CORTICAL_MINERAL

STANCE = Stance(rotation=0.0, tilt=0.0, raised=(0.0, 0.0), breath=0.0)


def clavicles(density, seed=0, stance=STANCE):
    rng = np.random.default_rng(seed)
    thorax = sample_thorax(rng, height_cm=170.0, bmi=26.0, sex="female")
    return sample_clavicles(rng, thorax=thorax, stance=stance, density=density)


def volume(vertices, faces):
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return float(np.sum(a * np.cross(b, c)) / 6000)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("density", [0.24, 0.44, 0.62])
def test_the_surfaces_hold_the_wanted_mineral(density, seed):
    """The mesh's own volumes times the densities of cortex and marrow, against the density asked for."""
    made = clavicles(density, seed)
    whole, hollow = volume(made.solid.outer, made.solid.faces), volume(made.solid.inner, made.solid.faces)
    mineral = CORTICAL_MINERAL * (whole - hollow) + made.spongy * hollow
    assert made.density == pytest.approx(density, rel=1e-3)
    assert mineral / whole == pytest.approx(density, rel=0.04)


def test_people_of_equal_density_differ_in_their_cortex():
    shares = [clavicles(0.44, seed).cortical_share for seed in range(30)]
    assert 0.04 < np.std(shares) < 0.12 and 0.6 < np.mean(shares) < 0.8


def test_clavicles_have_the_size_of_clavicles():
    points = clavicles(0.44).solid.outer
    left = points[points[:, 0] > 0]
    length = np.linalg.norm(left[left[:, 0].argmax()] - left[left[:, 0].argmin()])
    assert 120 < length < 175


def test_a_raised_shoulder_raises_the_outer_end():
    low, high = clavicles(0.44).solid.outer, clavicles(0.44, stance=Stance(
        rotation=0.0, tilt=0.0, raised=(10.0, 0.0), breath=0.0)).solid.outer  # fmt: skip
    rise = high[:, 2] - low[:, 2]
    assert rise[low[:, 0].argmax()] == pytest.approx(10, abs=0.6)
    assert np.allclose(rise[low[:, 0] < 0], 0, atol=1e-9)
