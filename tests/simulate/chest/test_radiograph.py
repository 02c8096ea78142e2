import dataclasses

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate import trunk
from xattn_bmd.simulate.chest.people import draw_chests
from xattn_bmd.simulate.chest.presets import CHEST_PRESETS
from xattn_bmd.simulate.chest.radiograph import simulate_chest
from xattn_bmd.simulate.chest.thorax import Stance, Thorax
from xattn_bmd.simulate.projection import Beam

SIZE = 128


def shown(picture):
    """Return grey values with bone bright, 0 to 1."""
    low, high = picture.site.stored_range
    grey = (picture.pixels.astype(float) - low) / (high - low)
    return 1 - grey if picture.site.photometric == "MONOCHROME1" else grey


def rim(mask):
    return binary_dilation(mask, iterations=3) & ~binary_dilation(mask)


@pytest.fixture(scope="module")
def pictures():
    chests = draw_chests(n=60, preset="chest", seed=8)
    return chests, [simulate_chest(chest, seed=8, size=64) for chest in chests]


@pytest.fixture(scope="module")
def large():
    return [
        simulate_chest(chest, seed=1, size=SIZE)
        for preset in CHEST_PRESETS
        for chest in draw_chests(n=4, preset=preset, seed=1)
    ]


def test_the_mask_lies_on_the_clavicles(large):
    for picture in large:
        mask, areal = picture.clavicle, picture.areal
        assert areal[mask].mean() > 0.25 and areal[~mask].max() < 0.15
        assert 0.012 < mask.mean() < 0.045
        rows, columns = np.nonzero(mask)
        assert rows.min() > 0.05 * SIZE and rows.max() < 0.45 * SIZE
        assert abs((columns < SIZE / 2).mean() - 0.5) < 0.15


def test_clavicles_are_brighter_than_what_lies_beside_them(large):
    contrast = [shown(p)[p.clavicle].mean() - shown(p)[rim(p.clavicle)].mean() for p in large]
    assert min(contrast) > 0


def test_it_looks_like_a_chest(large):
    """Dark lungs on both sides of a bright middle, brightest under the diaphragm, the heart to the patient's left."""
    for picture in large:
        grey = shown(picture)
        rows = slice(int(0.38 * SIZE), int(0.52 * SIZE))
        right, left = grey[rows, int(0.24 * SIZE) : int(0.38 * SIZE)], grey[rows, int(0.66 * SIZE) : int(0.78 * SIZE)]
        middle = grey[rows, int(0.46 * SIZE) : int(0.54 * SIZE)]
        belly = grey[int(0.85 * SIZE) : int(0.93 * SIZE), int(0.4 * SIZE) : int(0.7 * SIZE)]
        assert middle.mean() > 1.4 * max(right.mean(), left.mean())
        assert belly.mean() > 1.4 * max(right.mean(), left.mean())
    low = slice(int(0.58 * SIZE), int(0.66 * SIZE))
    heart = [
        shown(p)[low, int(0.57 * SIZE) : int(0.66 * SIZE)].mean()
        - shown(p)[low, int(0.34 * SIZE) : int(0.43 * SIZE)].mean()
        for p in large
    ]
    assert np.mean(heart) > 0.1


def without_noise(monkeypatch):
    monkeypatch.setattr(trunk, "develop", lambda rng, detected, **rest: np.clip(-np.log(detected) / 8 + 0.5, 0, 1))


def test_more_mineral_makes_brighter_clavicles_and_changes_nothing_else(monkeypatch):
    without_noise(monkeypatch)
    chest = draw_chests(n=1, preset="chest", seed=3)[0]
    less, more = (
        simulate_chest(dataclasses.replace(chest, clavicle_density=density), seed=3, size=SIZE)
        for density in (0.35, 0.55)
    )
    assert np.array_equal(less.clavicle, more.clavicle)
    assert more.areal[more.clavicle].mean() / less.areal[less.clavicle].mean() == pytest.approx(0.55 / 0.35, rel=0.06)
    change = shown(more) - shown(less)
    away = ~binary_dilation(more.clavicle, iterations=4)
    assert change[more.clavicle].mean() > 10 * abs(change[away].mean())
    assert (change[more.clavicle] > 0).mean() > 0.9


def test_density_is_no_global_scale(pictures):
    """What the record says is taken away first: heavy people have denser bones and whiter pictures."""
    chests, made = pictures
    record = np.array([[1.0, c.sex == "male", c.weight, c.height, c.age_xray] for c in chests])

    def rest(values):
        return values - record @ np.linalg.lstsq(record, values, rcond=None)[0]

    density = rest(np.array([chest.lumbar_bmd for chest in chests]))
    for statistic in (np.mean, np.std, np.median):
        assert abs(np.corrcoef(density, rest(np.array([statistic(shown(p)) for p in made])))[0, 1]) < 0.3


def test_denser_bones_everywhere_leave_the_mean_grey_where_it_was(pictures):
    chests, made = pictures
    usual = np.std([shown(picture).mean() for picture in made])
    for chest, picture in zip(chests[:4], made, strict=False):
        denser = dataclasses.replace(
            chest, true_bmd=chest.true_bmd + 0.188, clavicle_density=chest.clavicle_density + 0.064
        )
        assert abs(shown(simulate_chest(denser, seed=8, size=64)).mean() - shown(picture).mean()) < 0.25 * usual


def test_density_is_in_the_clavicles(pictures):
    chests, made = pictures
    density = [chest.lumbar_bmd for chest in chests]
    facts = [dict(picture.facts) for picture in made]
    assert np.corrcoef(density, [fact["clavicle_density_g_cm3"] for fact in facts])[0, 1] > 0.75
    assert np.corrcoef(density, [fact["clavicle_areal_g_cm2"] for fact in facts])[0, 1] > 0.55


def test_a_picture_depends_on_its_arguments_alone():
    one, other = draw_chests(n=2, preset="chest", seed=6)
    first = simulate_chest(one, seed=6, size=64)
    simulate_chest(other, seed=6, size=64)
    again = simulate_chest(one, seed=6, size=64)
    assert np.array_equal(first.pixels, again.pixels) and first.facts == again.facts
    another = simulate_chest(one, seed=7, size=64)
    for fact in ("rotation_deg", "cortical_share"):
        assert dict(another.facts)[fact] != dict(first.facts)[fact]


def test_a_second_visit_shows_the_same_bones_in_another_stance():
    one = draw_chests(n=1, preset="chest", seed=6)[0]
    first, second = (simulate_chest(dataclasses.replace(one, index=index), seed=6, size=64) for index in (0, 1))
    facts, later = dict(first.facts), dict(second.facts)
    assert facts["cortical_share"] == pytest.approx(later["cortical_share"], abs=0.01)
    assert facts["clavicle_density_g_cm3"] == pytest.approx(later["clavicle_density_g_cm3"], abs=1e-3)
    assert facts["rotation_deg"] != later["rotation_deg"]


def test_the_institutions_differ(large):
    here, there = large[0], large[4]
    assert (here.kvp, there.kvp) == (85, 80)
    assert here.beam.spacing_mm * SIZE == pytest.approx(426) and there.beam.spacing_mm * SIZE == pytest.approx(410)
    assert (here.site.photometric, there.site.photometric) == ("MONOCHROME2", "MONOCHROME1")
    assert np.median(shown(here)[0]) < 0.2 and here.pixels.max() > there.pixels.max()


def test_a_turned_patient_moves_what_lies_in_front_one_way_and_what_lies_behind_the_other():
    turned = Stance(rotation=5.0, tilt=0.0, raised=(0.0, 0.0), breath=0.0)
    assert turned.shift(0, 60, 0)[0] * turned.shift(0, -60, 0)[0] < 0
    leaning = Stance(rotation=0.0, tilt=5.0, raised=(0.0, 0.0), breath=0.0)
    assert leaning.shift(0, 60, 90)[1] > 90 > leaning.shift(0, -60, 90)[1]


def test_a_deep_breath_lowers_the_diaphragm():
    from xattn_bmd.simulate.chest.lungs import air_path, sample_organs

    thorax = Thorax(tall=1, half_width=140, half_depth=84, shoulder=1, bone=1, curve_mm=0, curve_phase=0)
    organs = sample_organs(np.random.default_rng(0), age=60, bmi=26)
    beam = Beam(size=128, spacing_mm=3.3, source_detector_mm=1800, source_hip_mm=1660, centre_mm=(0, 0))
    x, z = beam.plane_axes()
    deep, usual, shallow = (
        air_path(x, z, thorax=thorax, organs=organs, stance=Stance(rotation=0, tilt=0, raised=(0, 0), breath=breath))[0]
        for breath in (-15, 0, 15)
    )
    assert deep.sum() > 1.03 * usual.sum() > 1.06 * shallow.sum()


@pytest.mark.parametrize("change", [{"height": 0.0}, {"clavicle_density": float("nan")}, {"true_bmd": -1.0}])
def test_impossible_bodies_are_refused(change):
    with pytest.raises(SimulationError, match=next(iter(change))):
        dataclasses.replace(draw_chests(n=1, preset="chest", seed=0)[0], **change)
