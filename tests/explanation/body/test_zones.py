"""Heat planted in a zone is found there, whatever the pose of the body; even heat is 1 everywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.explanation.body.bodies import SIDE, planted, turned
from xattn_bmd import Cohort
from xattn_bmd.config import ImageConfig
from xattn_bmd.data.masks.placed import placed_share
from xattn_bmd.data.preprocess import frame_of
from xattn_bmd.data.radiograph import read_radiograph
from xattn_bmd.errors import MetricError
from xattn_bmd.explanation.body.points import endplates, mask_corners, placed_points
from xattn_bmd.explanation.body.warp import cell_centres, normalised_maps, places
from xattn_bmd.explanation.body.zones import ENDPLATE, WALL, ZONES, zone_edges, zone_means, zone_of_cells

POSES = [
    turned(),
    turned(angle=35, width=24, height=18),
    turned(angle=-60, wedge=0.6),
    turned(angle=170, mirrored=True),
    turned(angle=12, wedge=0.7, middle=0.6),
    turned(angle=80, width=34, mirrored=True, middle=1.0, centre=(38, 42)),
]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("points", POSES)
def test_heat_in_a_zone_is_found_in_that_zone(points, zone):
    values = zone_means(normalised_maps(planted(points, zone)[None], points[None]))[0]
    assert ZONES[int(values.argmax())] == zone
    others = np.delete(values, ZONES.index(zone))
    assert values.max() > 3 * others.max()


@pytest.mark.parametrize("points", POSES)
@pytest.mark.parametrize("grid", [(SIDE, SIDE), (10, 5), (1, 1)])
def test_even_heat_is_one_everywhere(points, grid):
    heat = np.full((1, *grid), 0.3, dtype=np.float32)
    values = zone_means(normalised_maps(heat, points[None], picture=(SIDE, SIDE)))
    np.testing.assert_allclose(values, 1.0, rtol=1e-6)


def test_zone_means_are_those_counted_by_hand():
    heat = np.zeros((2, 12, 12), dtype=np.float32)
    heat[0, 4:8, 4:8] = 2.0  # the body alone
    heat[1, :, 4:8] = 1.0
    corners = np.tile(np.array([[4.0, 4], [8, 4], [4, 8], [8, 8]]), (2, 1, 1))
    maps = normalised_maps(heat, corners)
    assert maps.shape == (2, 60, 60)
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), 1.0, rtol=1e-6)
    values = zone_means(maps)
    sizes = np.array([(zone_of_cells() == place).sum() for place in range(len(ZONES))])
    np.testing.assert_allclose((values * sizes).sum(axis=1), 3600, rtol=1e-6)  # share of heat by share of area
    assert values[0, 0] == pytest.approx(1 / maps_share(maps[0]), rel=1e-6)


def maps_share(one):
    """Mean of a map whose centre is set to 1: the centre is hot everywhere."""
    return float((one / one[30, 30]).mean())


def test_the_zones_are_a_partition_with_the_stated_depths():
    zones, at = zone_of_cells(), cell_centres()
    inside = (at > 0) & (at < 1)
    assert set(zones.ravel()) == set(range(len(ZONES)))
    assert (zones[np.ix_(inside, inside)] != 5).all() and (zones == 5).sum() == 3600 - 1600
    middle = np.abs(at - 0.5).argmin()
    front = at[zones[middle] == ZONES.index("anterior wall")]
    upper = at[zones[:, middle] == ZONES.index("upper endplate")]
    assert (front.min(), front.max()) == pytest.approx((0.0125, WALL - 0.0125))
    assert (upper.min(), upper.max()) == pytest.approx((0.0125, ENDPLATE - 0.0125))
    np.testing.assert_array_equal(zones == 1, (zones == 2)[:, ::-1])
    drawn = np.array([point for line in zone_edges() for point in line])
    assert drawn.min() == 0 and drawn.max() == 1 and WALL in drawn[:, 0]


def test_the_corners_of_the_body_are_those_given_and_a_bulging_endplate_is_followed():
    points = turned(angle=20, wedge=0.7, middle=0.5)
    at = places(points[None], margin=0.0)[0]
    half = 0.5 / 40
    for place, (row, column) in enumerate([(0, 0), (0, None), (0, -1), (-1, 0), (-1, None), (-1, -1)]):
        found = at[row, 19:21].mean(axis=0) if column is None else at[row, column]
        assert np.linalg.norm(found - points[place]) < 2 * half * 30
    assert np.linalg.norm(at[0, 20] - (points[0] + points[2]) / 2) > 3  # not on the straight line


@given(angle=st.floats(-180, 180), wedge=st.floats(0.35, 1.2), middle=st.floats(0.5, 1.2), mirrored=st.booleans())
@settings(max_examples=25)
def test_scale_and_heat_units_change_nothing(angle, wedge, middle, mirrored):
    heat = np.random.default_rng(0).random((1, 20, 20)).astype(np.float32)
    points = turned(angle=angle, wedge=wedge, middle=middle, mirrored=mirrored)[None]
    first = zone_means(normalised_maps(heat, points, picture=(SIDE, SIDE)))
    again = zone_means(normalised_maps(7 * heat, 3 * points, picture=(3 * SIDE, 3 * SIDE)))
    np.testing.assert_allclose(first, again, rtol=1e-4)


def test_what_lies_outside_the_picture_or_its_field_does_not_count():
    heat = np.ones((2, SIDE, SIDE), dtype=np.float32)
    heat[:, :, :20] = 50.0  # padding
    points = np.tile(turned(centre=(33.0, 40.0)), (2, 1, 1))
    maps = normalised_maps(heat, points, fields=np.array([[20.0, 0, SIDE, SIDE], [0, 0, SIDE, SIDE]]))
    assert np.isnan(maps[0, 30, 0]) and not np.isnan(maps[1]).any()
    np.testing.assert_allclose(zone_means(maps)[0], 1.0, rtol=1e-6)
    assert zone_means(maps)[1, 5] > 1.4
    beyond = zone_means(normalised_maps(heat[:1], points[:1] + 100.0))
    assert np.isnan(beyond).all()


def test_signs():
    points = turned()[None]
    heat = (planted(points[0], "centre") - 3 * planted(points[0], "outside"))[None]
    centre, outside = ZONES.index("centre"), ZONES.index("outside")
    positive, absolute = (zone_means(normalised_maps(heat, points, sign=sign))[0] for sign in ("positive", "absolute"))
    assert positive[outside] < 0.1 < 1 < positive[centre] and absolute[outside] > absolute[centre]
    assert np.isnan(zone_means(normalised_maps(-np.abs(heat), points))).all()  # nothing speaks for the class


def test_a_masks_box_is_a_body_on_either_side():
    masks = np.zeros((2, SIDE, SIDE), dtype=bool)
    masks[:, 30:52, 25:55] = True
    left, right = (mask_corners(masks, anterior=side) for side in ("left", "right"))
    np.testing.assert_array_equal(left[0], [[25, 30], [55, 30], [25, 52], [55, 52]])
    np.testing.assert_array_equal(right, left[:, [1, 0, 3, 2]])
    heat = planted(right[0], "anterior wall")[None]
    assert int(zone_means(normalised_maps(heat, right[:1])).argmax()) == 1
    assert int(zone_means(normalised_maps(heat, left[:1])).argmax()) == 2
    masks[1] = False
    with pytest.raises(MetricError, match="1 have none: rows 1"):
        mask_corners(masks)


def test_points_follow_a_file_into_the_picture_that_a_network_sees(cohort_table):
    cohort = Cohort.from_csv(cohort_table).subset(["hip_000", "hip_001"])  # a left and a right one
    image = ImageConfig(size=64)
    points = np.tile(np.array([[10.0, 12], [30, 12], [10, 28], [30, 28]]), (2, 1, 1))
    placed = placed_points(points, cohort, image=image)
    for row, (path, side) in enumerate(zip(cohort.image_paths.values(), cohort.sides, strict=True)):
        mask = np.zeros((48, 48), dtype=bool)
        mask[12:28, 10:30] = True
        seen = placed_share(mask, frame=frame_of(read_radiograph(path), image), size=64)
        seen = seen[:, ::-1] if side == "R" else seen
        found = mask_corners(seen[None] >= 0.5, anterior="right" if side == "R" else "left")[0]
        np.testing.assert_allclose(placed.points[row], found, atol=0.6)
        assert placed.fields[row].tolist() == [0, 0, 64, 64]
    with pytest.raises(MetricError, match="2 radiographs, 2 files and 1 sets"):
        placed_points(points[:1], cohort, image=image)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (np.zeros((1, 4, 2)), "rows 0"),
        (turned()[None][:, [0, 0, 2, 3]], "coincide"),
        (turned()[None][:, [1, 0, 2, 3]], "cross"),
        (np.array([[[0.0, 0], [1, 1], [2, 2], [3, 3]]]), "cross"),
        (np.full((1, 4, 2), np.nan), "no numbers"),
        (np.zeros((1, 5, 2)), r"\(1, 5, 2\)"),
        (np.zeros((0, 4, 2)), r"\(0, 4, 2\)"),
        (np.concatenate([turned()[None], turned(wedge=-0.5)[None]]), "1 crop.*rows 1"),
    ],
)
def test_points_that_go_round_no_body(points, words):
    with pytest.raises(MetricError, match=words):
        endplates(points)


@pytest.mark.parametrize(
    ("heat", "changes", "words"),
    [
        (np.ones((2, 8, 8)), {}, r"\(2, 8, 8\) with 1 set"),
        (np.ones((8, 8)), {}, r"\(8, 8\)"),
        (np.full((1, 8, 8), np.nan), {}, "finite"),
        (np.ones((1, 8, 8)), {"margin": -0.1}, "margin"),
        (np.ones((1, 8, 8)), {"fields": np.zeros((3, 4))}, "fields"),
    ],
)
def test_maps_that_do_not_fit(heat, changes, words):
    with pytest.raises(MetricError, match=words):
        normalised_maps(heat.astype(np.float32), turned()[None], **changes)
