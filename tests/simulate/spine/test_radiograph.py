"""What the picture shows of vertebrae: brighter than discs, bands in fresh fractures, whole bodies only."""

from dataclasses import replace

import numpy as np
import pytest

from xattn_bmd.simulate.spine.people import draw_spines
from xattn_bmd.simulate.spine.person import LEVELS, Finding
from xattn_bmd.simulate.spine.presets import SPINE_PRESETS
from xattn_bmd.simulate.spine.radiograph import simulate_spine
from xattn_bmd.simulate.spine.shape import sample_rings
from xattn_bmd.simulate.spine.solid import body_solid
from xattn_bmd.simulate.spine.texture import bone_pattern

SIZE = 192


def with_l2(spine, finding):
    return replace(spine, findings=tuple(finding if level == "L2" else Finding() for level in LEVELS))


@pytest.fixture(scope="module")
def spine():
    return draw_spines(n=1, preset="spine", seed=11)[0]


@pytest.fixture(scope="module")
def pictures():
    return [simulate_spine(one, seed=11, size=SIZE) for one in draw_spines(n=4, preset="spine", seed=11)]


def shown(picture):
    """The displayed tone, bone bright."""
    low, high = picture.site.stored_range
    tone = (picture.pixels - float(low)) / (high - low)
    return 1 - tone if picture.site.photometric == "MONOCHROME1" else tone


def test_boxes_bound_masks_and_hold_the_six_points(pictures):
    for picture in pictures:
        assert [v.body.level for v in picture.vertebrae][-6:] == ["T12", "L1", "L2", "L3", "L4", "L5"]
        for vertebra in picture.vertebrae:
            window, (x0, y0, x1, y1) = vertebra.window, vertebra.window.box
            whole = np.zeros((SIZE, SIZE), bool)
            rows, columns = window.mask.shape
            whole[window.top : window.top + rows, window.left : window.left + columns] = window.mask
            assert whole[y0:y1, x0:x1].sum() == whole.sum() > 0
            assert whole[y0].any() and whole[y1 - 1].any() and whole[:, x0].any() and whole[:, x1 - 1].any()
            low, high = vertebra.points.min(axis=0), vertebra.points.max(axis=0)
            assert (low > [x0 - 2, y0 - 2]).all() and (high < [x1 + 2, y1 + 2]).all()
            size = vertebra.heights.mean() * picture.beam.magnification / picture.beam.spacing_mm
            assert 0.8 * size < y1 - y0 < 2.0 * size


def test_levels_follow_each_other_downwards_and_anterior_is_left(pictures):
    for picture in pictures:
        middles = np.array([v.points.mean(axis=0) for v in picture.vertebrae])
        assert (np.diff(middles[:, 1]) > 0.06 * SIZE).all()
        for vertebra in picture.vertebrae:
            assert vertebra.points[2, 0] < vertebra.points[0, 0]  # superior anterior left of superior posterior


def test_bodies_are_denser_than_discs(pictures):
    """Ribs and the iliac crest cross some discs, so that the median counts."""
    ratios = []
    for picture in pictures:
        for upper, lower in zip(picture.vertebrae[1:-2], picture.vertebrae[2:-1], strict=True):
            x, y = np.rint(upper.points.mean(axis=0)).astype(int)
            u, v = np.rint((upper.points[4] + lower.points[1]) / 2).astype(int)
            ratios.append(picture.areal[y - 2 : y + 3, x - 2 : x + 3].mean() / (picture.areal[v, u] + 0.01))
    assert np.median(ratios) > 2


def test_a_fresh_fracture_packs_bone_under_an_endplate():
    def band(finding):
        made = [bone_pattern(np.random.default_rng(seed), finding, z_score=0.0)[6:40, 40:90] for seed in range(24)]
        return float(np.quantile([part.mean(axis=1).max() for part in made], 0.4))

    fresh = Finding(condition="fresh", grade=1, loss=0.22, signs=1.0)
    old = Finding(condition="old", grade=1, loss=0.22)
    assert band(fresh) > band(old) + 0.15 and band(old) == pytest.approx(band(Finding(loss=0.22)), abs=0.08)


def test_a_fresh_fracture_without_signs_looks_like_an_old_one_of_the_same_loss(spine):
    fresh, old = Finding(condition="fresh", grade=1, loss=0.22), Finding(condition="old", grade=1, loss=0.22)
    pictures = [simulate_spine(with_l2(spine, finding), seed=11, size=SIZE) for finding in (fresh, old)]
    l2 = [next(v for v in picture.vertebrae if v.body.level == "L2") for picture in pictures]
    np.testing.assert_array_equal(l2[0].points, l2[1].points)
    assert l2[0].body.loss == pytest.approx(0.22, abs=1e-4)


def test_a_collapsed_body_has_a_flatter_box(spine):
    sound, flat = (
        next(v for v in simulate_spine(with_l2(spine, f), seed=11, size=SIZE).vertebrae if v.body.level == "L2")
        for f in (Finding(), Finding(condition="old", grade=3, loss=0.5))
    )
    assert flat.heights.min() < 0.55 * sound.heights.max()
    assert flat.window.mask.sum() < 0.85 * sound.window.mask.sum()


def test_a_picture_depends_on_its_person_alone(spine):
    one, again = (simulate_spine(spine, seed=11, size=64).pixels for _ in range(2))
    np.testing.assert_array_equal(one, again)
    other = simulate_spine(replace(spine, index=7), seed=11, size=64).pixels
    assert (one != other).mean() > 0.1


def test_repeated_radiographs_show_the_same_bones(spine):
    first, second = (simulate_spine(replace(spine, index=index), seed=11, size=64) for index in (0, 1))
    for one, other in zip(first.vertebrae[-5:], second.vertebrae[-5:], strict=True):
        np.testing.assert_array_equal(one.heights, other.heights)
    assert first.beam != second.beam


def test_the_other_institution_shows_fewer_levels_and_other_tones():
    here, there = (
        [simulate_spine(one, seed=3, size=96) for one in draw_spines(n=5, preset=preset, seed=3)]
        for preset in SPINE_PRESETS
    )
    counts = [np.mean([len(picture.vertebrae) for picture in pictures]) for pictures in (here, there)]
    assert 6.0 <= counts[0] <= 7.0 and 4.2 <= counts[1] <= 5.5
    assert {p.kvp for p in here} == {85} and {p.kvp for p in there} == {80}
    assert here[0].beam.spacing_mm != there[0].beam.spacing_mm
    assert np.mean([shown(p)[0, 0] for p in here]) < 0.1 < 0.9 < np.mean([shown(p)[0, 0] for p in there])


def test_a_cut_body_has_no_box():
    """With the upper shutter at the middle of T12, T11 and T12 are cut."""
    site = SPINE_PRESETS["spine_external"]
    for one in draw_spines(n=4, preset="spine_external", seed=2):
        picture = simulate_spine(one, seed=2, size=96)
        assert not {"T10", "T11"} & {v.body.level for v in picture.vertebrae}
        assert picture.site is site.site


def test_a_body_holds_its_marrow():
    """Volume by the signed tetrahedra of the closed surface: ring area times width, less what the sides round off."""
    ring = sample_rings(np.random.default_rng(0), height_cm=165.0)[4]
    solid = body_solid(ring, wide=44.0, cortex=1.0)

    def volume(points):
        a, b, c = (points[solid.faces[:, corner]] for corner in range(3))
        return abs(np.einsum("ni,ni->", a, np.cross(b, c))) / 6

    x, z = ring.T
    box = 0.5 * abs(np.sum(x * np.roll(z, -1) - z * np.roll(x, -1))) * 44.0
    assert 0.6 * box < volume(solid.outer) < 0.97 * box
    assert 0.85 * volume(solid.outer) < volume(solid.inner) < 0.97 * volume(solid.outer)
