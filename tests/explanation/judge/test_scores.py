"""Heat of known answer: all inside, all outside, spread evenly, random."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_bmd.explanation.judge.overlap import top_overlap
from xattn_bmd.explanation.judge.perturbation import area, perturbation_curves
from xattn_bmd.explanation.judge.pointing import pointing
from xattn_bmd.explanation.judge.scores import SCORES, region_scores
from xattn_bmd.explanation.judge.share import region_share
from xattn_bmd.explanation.judge.summary import overlap_table
from xattn_bmd.explanation.judge.zones import zone_shares
from xattn_bmd.metrics.tables.means import mean_rows

SIDE = 20


def _field(n=1):
    field = np.ones((n, SIDE, SIDE), dtype=np.float32)
    field[:, :, -4:] = 0
    return field


def _corner(n=1):
    corner = np.zeros((n, SIDE, SIDE), dtype=np.float32)
    corner[:, :8, :8] = 1
    return corner


def test_heat_inside_scores_one_and_heat_outside_zero():
    inside, outside = _corner(), 1 - _corner()
    for heat, expected in ((inside, 1.0), (outside, 0.0)):
        table = region_scores(heat, {"corner": _corner(), "field": _field()})
        assert table["corner_share"][0] == table["corner_pointing"][0] == expected
        assert table["corner_share_chance"][0] == pytest.approx(64 / 320)
    assert top_overlap(inside, _corner(), _field(), top=64 / 320).dice[0] == 1


def test_padding_counts_neither_as_heat_nor_as_area():
    heat = _corner()
    heat[:, :, -4:] = 100.0
    assert region_share(heat, _corner(), _field()).share[0] == 1 and pointing(heat, _corner(), _field())[0] == 1


def test_negative_heat_counts_without_its_sign_or_not_at_all():
    heat = _corner() - 3 * (1 - _corner())
    absolute, positive = (
        region_share(heat, _corner(), _field(), sign=sign).share[0] for sign in ("absolute", "positive")
    )
    assert positive == 1 and absolute == pytest.approx(64 / (64 + 3 * 256))


def test_a_map_without_heat_has_no_scores():
    table = region_scores(np.zeros((1, SIDE, SIDE), np.float32), {"corner": _corner(), "field": _field()})
    assert all(np.isnan(table[f"corner_{score}"][0]) for score in SCORES)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 50))
def test_scores_do_not_hang_on_the_scale_of_the_heat_and_shares_add_up(seed, scale):
    heat = np.random.default_rng(seed).normal(size=(2, SIDE, SIDE)).astype(np.float32)
    masks = {"corner": _corner(2), "rest": 1 - _corner(2), "field": _field(2)}
    table, scaled = region_scores(heat, masks), region_scores(heat * np.float32(scale), masks)
    np.testing.assert_allclose(table.to_numpy(), scaled.to_numpy(), rtol=1e-5)
    np.testing.assert_allclose(table["corner_share"] + table["rest_share"], 1.0)


def test_random_heat_is_at_chance_and_its_interval_says_so():
    heat = np.random.default_rng(0).random((60, SIDE, SIDE)).astype(np.float32)
    scores = region_scores(heat, {"corner": _corner(60), "field": _field(60)})
    table = overlap_table(
        scores,
        patients=[f"p{row // 2}" for row in range(60)],
        method="random",
        heat_of="trained",
        regions=["corner"],
        measures=SCORES,
        replicates=300,
    ).set_index("measure")
    times = table.loc["share_over_chance"]
    assert abs(times["value"] - 1) < 0.02 and times["low"] < 1 < times["high"]
    assert table.loc["iou", "value"] == pytest.approx(table.loc["iou", "chance"], abs=0.01)
    assert (table["n"] == 60).all() and (table["patients"] == 30).all()


def test_a_single_patient_has_values_and_no_intervals():
    (row,) = mean_rows(np.array([[1.0], [3.0]]), patients=["only", "only"], replicates=50)
    assert row["value"] == 2 and np.isnan(row["low"]) and "single patient" in row["reason"]


def test_the_mean_weighs_radiographs_and_the_interval_draws_patients():
    values = np.arange(12.0)[:, None]
    alone = mean_rows(values, patients=list("abcdefghijkl"), replicates=400)[0]
    paired = mean_rows(values, patients=list("aabbccddeeff"), replicates=400)[0]
    assert alone["value"] == paired["value"] == 5.5
    assert paired["high"] - paired["low"] > alone["high"] - alone["low"]


def test_zones_of_a_box_find_a_planted_spot():
    region, heat = np.zeros((2, 1, SIDE, SIDE), dtype=np.float32)
    region[0, 4:16, 2:14] = 1
    heat[0, 5:7, 11:13] = -2.0  # above, lateral
    heat[0, 18, 18] = 9.0  # outside the box
    found = zone_shares(heat, region, zones=3)[0]
    assert found[0, 2] == 1 and found.sum() == 1
    uneven = zone_shares(np.ones((1, SIDE, SIDE), np.float32), region, zones=5)
    np.testing.assert_allclose(uneven, 1 / 25)
    assert np.isnan(zone_shares(heat, np.zeros_like(region))).all()


def test_covering_what_the_estimate_hangs_on_moves_it_and_covering_the_rest_does_not():
    image = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    image[:, :, :16, :16] += 1.0

    def estimate(pictures):
        return pictures[:, 0, :16, :16].mean((1, 2))

    right = np.zeros((3, 32, 32), dtype=np.float32)
    right[:, :16, :16] = 1
    good, bad = (perturbation_curves(estimate, image, heat, steps=4) for heat in (right, 1 - right))
    assert (good.deletion[:, 1] > 0.5).all() and np.allclose(bad.deletion[:, 3], 0)
    assert np.allclose(good.insertion[:, 1], 0) and (area(good.deletion) > area(bad.deletion)).all()
    assert np.allclose(good.deletion[:, 0], 0) and np.allclose(good.insertion[:, -1], 0)
    negative = perturbation_curves(estimate, image, -right, steps=4)
    np.testing.assert_array_equal(negative.deletion, good.deletion)
