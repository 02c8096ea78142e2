"""Weights of coalitions against the definitions, term by term."""

from itertools import combinations, permutations
from math import factorial

import numpy as np
import pytest

from xattn_bmd.explanation.record.coalitions import members, pair_weights, value_weights


def _game(variables, seed=0):
    return np.random.default_rng(seed).normal(size=2**variables)


def _number(coalition):
    return sum(1 << variable for variable in coalition)


@pytest.mark.parametrize("variables", [1, 2, 3, 5])
def test_values_are_the_mean_over_all_orders(variables):
    worth = _game(variables)
    expected = np.zeros(variables)
    for order in permutations(range(variables)):
        for step, variable in enumerate(order):
            expected[variable] += worth[_number(order[: step + 1])] - worth[_number(order[:step])]
    np.testing.assert_allclose(worth @ value_weights(variables), expected / factorial(variables), atol=1e-12)


@pytest.mark.parametrize("variables", [2, 3, 5])
def test_interactions_are_the_index_by_its_definition(variables):
    worth = _game(variables, seed=1)
    found = np.einsum("c,cvw->vw", worth, pair_weights(variables))
    for one, other in combinations(range(variables), 2):
        rest = [v for v in range(variables) if v not in (one, other)]
        index = 0.0
        for s in (s for size in range(len(rest) + 1) for s in combinations(rest, size)):
            share = factorial(len(s)) * factorial(variables - len(s) - 2) / factorial(variables - 1)
            both, none = worth[_number([*s, one, other])], worth[_number(s)]
            index += share * (both - worth[_number([*s, one])] - worth[_number([*s, other])] + none)
        assert found[one, other] == pytest.approx(index / 2)
        assert found[other, one] == pytest.approx(index / 2)
    np.testing.assert_allclose(found.sum(axis=1), worth @ value_weights(variables), atol=1e-12)


def test_members_number_every_coalition_once():
    assert len({tuple(row) for row in members(6).tolist()}) == 64
    assert members(6)[_number([0, 4])].nonzero()[0].tolist() == [0, 4]
