"""Exact games and orders on a model whose values are known by hand."""

import numpy as np
import pytest

from tests.explanation.record.made_up import KnownReader
from xattn_bmd.errors import ConfigError
from xattn_bmd.explanation.record.exact import exact_interactions, play_exact
from xattn_bmd.explanation.record.orders import play_orders
from xattn_bmd.explanation.record.pairs import Corners, Pairs

ROWS, PEOPLE = np.array([0, 1, 2]), np.array([5, 6, 7, 8])


@pytest.fixture
def pairs():
    return Pairs.of(KnownReader(), ROWS, PEOPLE)


def _expected(pairs, seen):
    return np.array([pairs.reader.expected(*pair) for pair in zip(pairs.one_Q, pairs.other_Q, seen, strict=True)])


def test_all_coalitions_give_the_values_known_by_hand(pairs):
    played = play_exact(pairs, Corners.of(pairs))
    np.testing.assert_allclose(played.own, _expected(pairs, pairs.one_Q), atol=1e-12)
    np.testing.assert_allclose(played.others, _expected(pairs, pairs.other_Q), atol=1e-12)


def test_coalitions_that_differ_in_nothing_are_asked_for_once(pairs):
    found, before = Corners.of(pairs), pairs.reader.asked
    play_exact(pairs, found)
    assert pairs.reader.asked - before == 2 * 12 * 2**3


def test_orders_add_up_for_every_pair(pairs):
    found = Corners.of(pairs)
    played = play_orders(pairs, found, seed=3)
    np.testing.assert_allclose(played.own.sum(axis=1), found.both - found.picture, atol=1e-12)
    np.testing.assert_allclose(played.others.sum(axis=1), found.record - found.neither, atol=1e-12)


def test_an_order_and_the_same_backwards_cancel_every_interaction_of_two():
    pairs = Pairs.of(KnownReader(), np.array([0]), np.array([5, 5]))
    played = play_orders(pairs, Corners.of(pairs), seed=0)
    np.testing.assert_allclose(played.own.mean(axis=0), pairs.reader.expected(0, 5, 0), atol=1e-12)
    np.testing.assert_allclose(played.others.mean(axis=0), pairs.reader.expected(0, 5, 5), atol=1e-12)
    both = 0.5 * (played.own[0] + played.others[0])  # beside the other's picture the same order runs backwards
    expected = 0.5 * (pairs.reader.expected(0, 5, 0) + pairs.reader.expected(0, 5, 5))
    np.testing.assert_allclose(both[:2], expected[:2], atol=1e-12)


def test_a_single_order_is_no_shapley_value():
    pairs = Pairs.of(KnownReader(), np.array([0]), np.array([5]))
    assert np.abs(play_orders(pairs, Corners.of(pairs), seed=0).own[0] - pairs.reader.expected(0, 5, 0)).max() > 1e-3


def test_what_is_the_same_in_everybody_moves_nothing(pairs):
    found = Corners.of(pairs)
    for played in (play_exact(pairs, found), play_orders(pairs, found, seed=1)):
        assert (played.own[:, -1] == 0.0).all() and (played.others[:, -1] == 0.0).all()


def test_picture_and_record_share_their_interaction_evenly(pairs):
    found, reader = Corners.of(pairs), pairs.reader
    seen = reader.picture[pairs.one_Q] - reader.picture[pairs.other_Q]
    known = 0.5 * (reader.record[pairs.one_Q, 2] + reader.record[pairs.other_Q, 2])
    np.testing.assert_allclose(found.picture_part, seen * (0.3 + 0.2 * known), atol=1e-12)


def test_interactions_are_those_of_the_two_variables_that_are_multiplied(pairs):
    each = exact_interactions(pairs, Corners.of(pairs))
    change = pairs.reader.record[pairs.one_Q] - pairs.reader.record[pairs.other_Q]
    np.testing.assert_allclose(each[:, 0, 1], 0.25 * change[:, 0] * change[:, 1], atol=1e-12)
    np.testing.assert_allclose(each[:, 0, 2:], 0.0, atol=1e-12)
    np.testing.assert_allclose(each.sum(axis=2), play_exact(pairs, Corners.of(pairs)).own, atol=1e-12)


def test_a_lone_variable_and_identical_people_are_no_special_case():
    alone = Pairs.of(KnownReader(variables=3), np.array([0]), np.array([0, 1]))
    played = play_orders(alone, Corners.of(alone), seed=0)
    assert (played.own[0] == 0.0).all() and (played.own[1, :2] != 0.0).all()


def test_too_many_variables_for_all_coalitions():
    pairs = Pairs.of(KnownReader(variables=13), ROWS, PEOPLE)
    with pytest.raises(ConfigError, match="12 clinical variables at most, but the model reads 13"):
        play_exact(pairs, Corners.of(pairs))
