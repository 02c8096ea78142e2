import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.hip import Pose, simulate_hip
from xattn_bmd.simulate.subjects import draw_hips

SIZE = 128


def displayed(picture):
    low, high = picture.site.stored_range
    grey = (picture.pixels.astype(float) - low) / (high - low)
    return 1 - grey if picture.site.photometric == "MONOCHROME1" else grey


@pytest.fixture(scope="module")
def hips():
    return draw_hips(n=40, preset="hcs", seed=0)


@pytest.fixture(scope="module")
def pictures(hips):
    return [simulate_hip(hip, seed=0, size=SIZE) for hip in hips]


def test_pixels_use_the_stored_range_of_the_site(pictures):
    for picture in pictures:
        low, high = picture.site.stored_range
        assert picture.pixels.shape == (SIZE, SIZE)
        assert low <= picture.pixels.min() < picture.pixels.max() <= high


def test_the_masks_are_where_they_should_be(hips, pictures):
    for hip, picture in zip(hips, pictures, strict=True):
        assert np.all(picture.femur[picture.neck]) and picture.neck.sum() > 60
        assert picture.areal[~picture.femur].max() == 0
        columns = [np.nonzero(mask)[1].mean() for mask in (picture.pelvis, picture.neck)]
        assert (columns[0] < columns[1]) == (hip.side == "L")


def test_the_neck_is_brighter_than_the_soft_tissue_around_it(pictures):
    for picture in pictures:
        grey = displayed(picture)
        around = binary_dilation(picture.neck, iterations=7) & ~binary_dilation(picture.femur | picture.pelvis)
        if around.sum() > 5:
            assert grey[picture.neck].mean() > grey[around].mean()


def test_the_posed_neck_still_tells_the_density(pictures):
    truth = np.array([[dict(p.facts)["true_bmd"], dict(p.facts)["posed_neck_bmd"]] for p in pictures]).T
    assert np.corrcoef(truth)[0, 1] > 0.93


def test_the_scan_reads_the_true_density(pictures):
    for picture in pictures:
        facts = dict(picture.facts)
        assert facts["dxa_bmd"] == pytest.approx(facts["true_bmd"], rel=1e-6)


def test_the_neck_of_one_person_brightens_with_density(hips):
    """The picture carries the density: same bone, same pose, same noise, only the mineral differs."""
    left = next(hip for hip in hips if hip.side == "L")
    contrast = []
    for bmd in (0.6, 0.85, 1.1):
        picture = simulate_hip(dataclasses.replace(left, true_bmd=bmd), seed=0, size=SIZE)
        grey = displayed(picture)
        rows, columns = np.nonzero(picture.neck)
        beside = grey[rows.max() + 4 : rows.max() + 12, columns.min() - 6 : columns.min()].mean()
        contrast.append(grey[picture.neck].mean() - beside)
    assert contrast[0] < contrast[1] < contrast[2]


def test_mean_and_spread_of_the_grey_levels_do_not_tell_the_density(hips, pictures):
    density = np.array([hip.true_bmd for hip in hips])
    for statistic in (np.mean, np.std):
        assert abs(np.corrcoef(density, [statistic(displayed(p)) for p in pictures])[0, 1]) < 0.5


def test_two_hips_of_one_person_share_the_bone_but_not_the_picture():
    hips = draw_hips(n=80, preset="hcs", seed=0)
    left, right = next((a, b) for a, b in pairwise(hips) if a.patient == b.patient)
    first, second = (simulate_hip(hip, seed=0, size=SIZE) for hip in (left, right))
    assert dict(first.facts)["head_radius_mm"] == dict(second.facts)["head_radius_mm"]
    assert dict(first.facts)["rotation_deg"] != dict(second.facts)["rotation_deg"]
    assert not np.array_equal(first.pixels, second.pixels)


def test_two_visits_of_one_hip_share_bone_and_mineral_but_not_pose_and_exposure(hips):
    first, second = (simulate_hip(dataclasses.replace(hips[0], index=index), seed=0, size=SIZE) for index in (0, 900))
    facts = [dict(picture.facts) for picture in (first, second)]
    for name in ("head_radius_mm", "anteversion_deg", "cortical_share", "trabecular_g_cm3", "dxa_bmd", "body_depth_mm"):
        assert facts[0][name] == facts[1][name]
    for name in ("rotation_deg", "abduction_deg", "posed_neck_bmd"):
        assert facts[0][name] != facts[1][name]
    assert not np.array_equal(first.pixels, second.pixels)


@pytest.mark.parametrize("site", ["site_a", "site_b", "site_c", "site_d"])
def test_every_hospital_shows_the_bone_in_its_own_tones(hips, site):
    picture = simulate_hip(dataclasses.replace(hips[1], site=site), seed=0, size=SIZE)
    grey = displayed(picture)
    assert picture.site.name == site and picture.kvp in picture.site.kvp
    assert grey.std() > 0.15 and np.mean((grey > 0.02) & (grey < 0.98)) > 0.6


def test_a_varied_hospital_differs_from_picture_to_picture(hips):
    sites = [simulate_hip(dataclasses.replace(hip, site="varied"), seed=0, size=64).site for hip in hips[:12]]
    assert len({site.latitude for site in sites}) == 12
    assert {site.photometric for site in sites} == {"MONOCHROME1", "MONOCHROME2"}
    assert {site.shutter for site in sites} == {True, False}


def test_an_unknown_hospital_is_refused(hips):
    with pytest.raises(SimulationError, match="site_a, site_b, site_c, site_d, but 'elsewhere'"):
        simulate_hip(dataclasses.replace(hips[0], site="elsewhere"), seed=0, size=SIZE)


def test_a_pose_of_nothing_moves_nothing():
    points = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(Pose(rotation=0, abduction=0, flexion=0).place(points), points)
