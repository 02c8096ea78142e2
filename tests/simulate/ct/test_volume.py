"""One simulated volume: where things lie, what they read, and what belongs to the person."""

import functools
from dataclasses import replace

import numpy as np
import pytest

from xattn_bmd.simulate.ct.attenuation import MINERAL_HU, bone_hu, mineral_for
from xattn_bmd.simulate.ct.bones import BODY_LABELS
from xattn_bmd.simulate.ct.people import draw_scans
from xattn_bmd.simulate.ct.scanner import SCANNERS, Reading, sample_reading, take
from xattn_bmd.simulate.ct.volume import simulate_volume

PERSON = replace(draw_scans(n=1, preset="ct", seed=3)[0], bmi=25.0, true_qct=120.0)
CLEAN = replace(SCANNERS["scanner_a"], cupping_hu=0.0, noise_hu=1e-3)


@functools.cache
def made(person=PERSON, scanner=None, **settings):
    return simulate_volume(person, seed=3, size=80, scanner=scanner, **settings)


def places(mask, grid):
    d, h, w = np.nonzero(mask)
    return grid.z[d], grid.y[h], grid.x[w]


def test_bodies_stand_on_each_other_before_the_canal():
    volume = made()
    levels = [level for level in BODY_LABELS if (volume.bodies == BODY_LABELS[level]).any()]
    assert {"L1", "L2", "L3", "L4"} <= set(volume.facts["whole_levels"]) <= set(levels)
    middles = [np.mean(places(volume.bodies == BODY_LABELS[level], volume.grid), axis=1) for level in levels]
    heights = [middle[0] for middle in middles]
    assert heights == sorted(heights, reverse=True) and 27 < np.diff(heights[1:-1]).mean() * -1 < 45
    assert all(abs(middle[2]) < 15 and -160 < middle[1] < -60 for middle in middles)


def test_bodies_have_the_size_of_vertebrae():
    volume = made()
    for level in ("L1", "L2", "L3"):
        z, y, x = places(volume.bodies == BODY_LABELS[level], volume.grid)
        ml = len(z) * np.prod(volume.grid.spacing_mm) / 1000
        assert 18 < ml < 55 and 34 < np.ptp(x) < 62 and 24 < np.ptp(y) < 50


def test_trabecular_bone_lies_deep_in_its_body():
    from scipy.ndimage import distance_transform_edt

    volume = made()
    assert (volume.bodies[volume.trabecular > 0] == volume.trabecular[volume.trabecular > 0]).all()
    body, inner = (part == BODY_LABELS["L2"] for part in (volume.bodies, volume.trabecular))
    depth = distance_transform_edt(body, sampling=volume.grid.spacing_mm)
    assert inner.sum() > 60 and depth[inner].min() > 2.5


@pytest.mark.parametrize("kvp", [80, 120])
def test_a_clean_scan_reads_the_truth(kvp):
    scanner = replace(CLEAN, kvp=kvp, blur_mm=0.3)
    volume = made(scanner=scanner)
    reading = volume.facts["hu_slope"], volume.facts["hu_offset"]
    for level in ("L1", "L2", "L3"):
        expected = bone_hu(volume.facts["mineral"][level], fat_share=PERSON.marrow_fat, kvp=kvp)
        found = volume.voxels[volume.trabecular == BODY_LABELS[level]].mean()
        assert (found - reading[1]) / reading[0] == pytest.approx(expected, abs=4)
    for rod in volume.facts["rods"]:
        found = volume.voxels[:, round(rod["row"]), round(rod["column"])].mean()
        assert (found - reading[1]) / reading[0] == pytest.approx(MINERAL_HU[kvp] * rod["mg_cm3"], abs=1)


def test_truth_is_the_density_that_was_asked_for():
    facts = made().facts
    assert (facts["qct"]["L1"] + facts["qct"]["L2"]) / 2 == pytest.approx(120.0, abs=0.01)
    for level in ("L1", "L2", "L3"):
        mineral = mineral_for(facts["qct"][level], fat_share=PERSON.marrow_fat)
        assert facts["mineral"][level] == pytest.approx(mineral, abs=0.02) != facts["qct"][level]


def test_without_a_phantom_no_rod_is_left():
    volume, with_one = made(phantom=False), made()
    below = volume.grid.y > 8
    assert volume.facts["phantom"] is None and volume.facts["rods"] == []
    assert np.percentile(volume.voxels[:, below], 90) < -300 < np.percentile(with_one.voxels[:, below], 60)


def test_bones_belong_to_the_person_and_noise_to_the_scan():
    again = replace(PERSON, index=PERSON.index + 1)
    first, second = made(), made(again)
    assert first.facts["qct"] == second.facts["qct"] and (first.voxels != second.voxels).any()
    other = made(replace(PERSON, patient=PERSON.patient + 1))
    assert other.facts["qct"] != first.facts["qct"]
    repeated = simulate_volume(PERSON, seed=3, size=80)
    assert (repeated.voxels == first.voxels).all() and repeated.facts == first.facts


def test_screws_are_metal_and_no_trabecular_bone():
    plain, screwed = made(), made(replace(PERSON, metal=True))
    assert len(screwed.facts["screws"]) == 2 and plain.facts["screws"] == [] and plain.voxels.max() < 2000
    assert (screwed.voxels > 2500).sum() > 20 and not (screwed.voxels[screwed.trabecular > 0] > 1500).any()
    assert screwed.facts["qct"] == plain.facts["qct"]


def test_the_whole_body_lies_in_air_on_a_table():
    volume = made(replace(PERSON, weight=70.0, height=170.0, bmi=24.2), field="body")
    assert volume.voxels[:, :3].mean() < -950 and volume.voxels[:, :, :3].mean() < -900
    share = (volume.voxels > -300).mean()
    assert 0.12 < share < 0.5


@pytest.mark.parametrize("name", list(SCANNERS))
def test_noise_has_the_sd_and_grain_of_its_scanner(name):
    scanner, grid = SCANNERS[name], made().grid
    reading = Reading(slope=1.0, offset=0.0, noise_hu=20.0, cupping_hu=0.0)
    flat = np.zeros(grid.shape, dtype=np.float32)
    taken = take(np.random.default_rng(0), flat, grid=grid, scanner=scanner, reading=reading,
                 middle_mm=(0.0, -70.0), body_mm=1e6)  # fmt: skip
    assert taken.std() == pytest.approx(20 * 1.1, rel=0.02) and abs(taken.mean()) < 0.2
    power = np.abs(np.fft.fft2(taken, axes=(1, 2))) ** 2
    assert power[:, :2, :2].mean() < 0.25 * power.mean(), "a ramp: little noise at low frequencies"


def test_slope_offset_and_cupping_act_as_stated():
    grid = made().grid
    flat = np.full(grid.shape, 100.0, dtype=np.float32)
    reading = Reading(slope=1.1, offset=7.0, noise_hu=0.0, cupping_hu=20.0)
    taken = take(np.random.default_rng(0), flat, grid=grid, scanner=CLEAN, reading=reading,
                 middle_mm=(float(grid.x[40]), float(grid.y[40])), body_mm=30.0)  # fmt: skip
    assert (taken[:, 40, 40] == 95).all() and (taken[:, 0, 0] == 117).all()


def test_heavier_patients_are_noisier():
    lean, heavy = (
        [sample_reading(np.random.default_rng(i), CLEAN, bmi=bmi, slice_mm=3.0).noise_hu for i in range(20)]
        for bmi in (20, 36)
    )
    assert np.mean(heavy) > 1.8 * np.mean(lean)
