"""Weights of a stack: the best convex mean, exactly, and never from the patient that is predicted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from xattn_bmd.errors import ModelError
from xattn_bmd.training.fits.stacking import check_stack, held_out_stack, members_of, stack_weights


def _predictions(members, rows, seed):
    draw = np.random.default_rng(seed)
    target = draw.normal(0.9, 0.12, rows)
    noise = draw.normal(0, 1, (members, rows)) * draw.uniform(0.02, 0.2, (members, 1))
    return target + noise + draw.normal(0, 0.03, (members, 1)), target


def _loss(weights, predicted, target):
    return float(np.mean((weights @ predicted - target) ** 2))


@pytest.mark.parametrize("members", [2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_weights_are_those_of_a_general_solver(members, seed):
    predicted, target = _predictions(members, 30, seed)
    found = stack_weights(predicted, target)
    solved = minimize(
        lambda w: 1e4 * _loss(w, predicted, target),
        np.full(members, 1 / members),
        bounds=[(0, 1)] * members,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert _loss(found, predicted, target) <= _loss(solved.x, predicted, target) + 1e-10
    np.testing.assert_allclose(found, solved.x, atol=2e-3)


@settings(max_examples=40, deadline=None)
@given(members=st.integers(2, 4), rows=st.integers(1, 12), seed=st.integers(0, 10_000))
def test_a_stack_is_a_mean_no_worse_than_its_best_member_where_it_was_fitted(members, rows, seed):
    predicted, target = _predictions(members, rows, seed)
    found = stack_weights(predicted, target)
    assert (found >= 0).all() and found.sum() == pytest.approx(1.0)
    single = min(_loss(row, predicted, target) for row in np.eye(members))
    assert _loss(found, predicted, target) <= single + 1e-12


def test_a_member_that_only_adds_noise_gets_no_weight_and_a_perfect_one_gets_all():
    predicted, target = _predictions(3, 40, 1)
    predicted[1] = target
    np.testing.assert_allclose(stack_weights(predicted, target), [0, 1, 0], atol=1e-9)
    draw = np.random.default_rng(0)
    low = np.stack([target + 0.02 * draw.normal(size=40), 0.4 + 0 * target])
    assert stack_weights(low, target)[1] < 0.05


def test_members_that_say_the_same_share_no_more_than_one():
    predicted, target = _predictions(1, 20, 3)
    weights = stack_weights(np.concatenate([predicted, predicted]), target)
    assert weights.sum() == pytest.approx(1.0) and (weights >= 0).all()


def test_a_patient_is_predicted_with_weights_that_do_not_know_him():
    predicted, target = _predictions(2, 12, 5)
    patients = [f"p{row // 2}" for row in range(12)]
    before = held_out_stack(predicted, target, patients)
    for patient in range(6):
        own = [2 * patient, 2 * patient + 1]
        spoiled = target.copy()
        spoiled[own] += 5.0
        after = held_out_stack(predicted, spoiled, patients)
        np.testing.assert_array_equal(after[own], before[own])
        others = [row for row in range(12) if row not in own]
        assert not np.allclose(after[others], before[others])


def test_a_single_patient_is_predicted_by_the_plain_mean():
    predicted, target = _predictions(2, 3, 5)
    np.testing.assert_allclose(held_out_stack(predicted, target, ["p"] * 3), predicted.mean(axis=0))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("xattn+", "2 to 8 different models"),
        ("ridge+ridge", "2 to 8 different models"),
        ("xattn+ridge+film", "without film"),
        ("+".join("abcdefghi"), "2 to 8"),
    ],
)
def test_a_stack_that_cannot_be_is_refused(name, words):
    with pytest.raises(ModelError, match=words):
        check_stack(name, ["xattn", "ridge", name])


def test_names():
    assert members_of("a.B+ridge") == ("a.B", "ridge") and members_of("xattn") == ()
