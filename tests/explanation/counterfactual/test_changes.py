"""One thing is changed and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from xattn_bmd.errors import SimulationError
from xattn_bmd.explanation.counterfactual.changes import CHANGES, DENSITY_STEP
from xattn_bmd.simulate.hip import simulate_hip
from xattn_bmd.simulate.site import SITE_PROFILES
from xattn_bmd.simulate.subjects import draw_hips

SIZE = 64
BY_NAME = {change.name: change for change in CHANGES}


@pytest.fixture(scope="module")
def hip():
    return draw_hips(n=3, preset="hcs", seed=41)[1]


@pytest.fixture(scope="module")
def pictures(hip):
    """Pictures of one person, one step down and one up, by change."""
    return {name: [_picture(hip, name, steps) for steps in (-1, 1)] for name in BY_NAME}


def _picture(hip, name, steps):
    person, site = BY_NAME[name].make(hip, steps)
    return simulate_hip(person, seed=hip.seed, size=SIZE, site=site)


def _moved(pair):
    down, up = (dict(picture.facts) for picture in pair)
    return {name for name in down if down[name] != up[name]}


def test_mineral_moves_the_bone_in_its_place(pictures):
    down, up = pictures["mineral"]
    assert _moved((down, up)) == {
        "true_bmd", "dxa_bmd", "posed_neck_bmd", "cortical_share", "trabecular_g_cm3",
    }  # fmt: skip
    for mask in ("femur", "neck", "pelvis"):
        np.testing.assert_array_equal(getattr(down, mask), getattr(up, mask))
    assert dict(up.facts)["dxa_bmd"] - dict(down.facts)["dxa_bmd"] == pytest.approx(2 * DENSITY_STEP)


@pytest.mark.parametrize("name", ["soft tissue", "quanta", "scatter", "tube voltage"])
def test_anything_else_leaves_the_mineral_as_it_is(pictures, name):
    down, up = pictures[name]
    np.testing.assert_array_equal(down.areal, up.areal)
    expected = {"soft tissue": {"body_depth_mm", "tissue_at_centre_mm"}, "tube voltage": {"kvp"}}
    assert _moved((down, up)) == expected.get(name, set())
    assert (down.pixels != up.pixels).mean() > 0.2


def test_more_quanta_are_less_noise_and_nothing_else(hip):
    site = SITE_PROFILES[hip.site]
    quiet, noisy = (
        simulate_hip(hip, seed=hip.seed, size=SIZE, site=replace(site, photons=photons)).pixels.astype(float)
        for photons in (1e12, 50.0)
    )
    apart = noisy - quiet
    assert np.abs(apart).mean() > 10 * abs(apart.mean())


def test_the_hospitals_own_settings_change_nothing(hip):
    usual = simulate_hip(hip, seed=hip.seed, size=SIZE)
    named = simulate_hip(hip, seed=hip.seed, size=SIZE, site=SITE_PROFILES[hip.site])
    np.testing.assert_array_equal(usual.pixels, named.pixels)


def test_a_hospital_without_settings_is_refused(hip):
    with pytest.raises(SimulationError, match="a hip comes from 'varied'"):
        BY_NAME["scatter"].make(replace(hip, site="varied"), 1)
