"""A stack: the weighted mean of what other models predict, with weights fitted on predictions for held-out patients.

It is a model of a comparison under the names of its members, joined by ``+``: ``xattn+ridge``.

Axes: ``M`` members, ``N`` radiographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import ModelError

JOINT = "+"
"""Stands between the names of a stack's members."""

MOST_MEMBERS = 8

Array = NDArray[np.float64]


def members_of(name: str) -> tuple[str, ...]:
    """Return the names of a stack's members; empty for any other model.

    Example:
        >>> members_of("xattn+ridge"), members_of("ridge")
        (('xattn', 'ridge'), ())
    """
    return tuple(name.split(JOINT)) if JOINT in name else ()


def check_stack(name: str, models: Sequence[str]) -> None:
    """Refuse a stack whose members are not compared beside it.

    Args:
        name: name of a stack.
        models: all models of the comparison.

    Raises:
        ModelError: naming the rule and the member.

    Example:
        >>> check_stack("xattn+ridge", ["xattn", "ridge", "xattn+ridge"])
    """
    members = members_of(name)
    if not 2 <= len(set(filter(None, members))) == len(members) <= MOST_MEMBERS:
        raise ModelError(
            f"A stack is made of 2 to {MOST_MEMBERS} different models whose names are joined by {JOINT}, as in "
            f"xattn+ridge, but {name!r} was given; mend the name."
        )
    absent = [member for member in members if member not in models]
    if absent:
        raise ModelError(
            f"A stack is compared beside its members, whose fits it uses, but {name!r} was given without "
            f"{', '.join(absent)}; name them among the models too."
        )


def stack_weights(predicted: Array, target: Array) -> Array:
    """Return the weights of the mean that predicts best: none negative, their sum 1, the squared error smallest.

    Stacking with such weights is Breiman 1996 (Machine Learning 24, 49-64), where the constraint made it safe: a mean
    of the members can extrapolate none of their errors, and one that does not help gets no weight.  The solution is
    exact: that of the equality-constrained problem on the best of all sets of members.

    Args:
        predicted: ``(M, N)`` predictions of radiographs that no member was fitted on, g/cm².
        target: ``(N,)`` measured densities, g/cm².

    Returns:
        ``(M,)``.

    Example:
        >>> stack_weights(np.array([[0.8, 1.0, 0.9], [1.0, 0.8, 0.9]]), np.array([0.85, 0.95, 0.9])).round(6).tolist()
        [0.75, 0.25]
    """
    members = range(len(predicted))
    best, least = np.full(len(predicted), 1.0 / len(predicted)), np.inf
    for size in range(1, len(predicted) + 1):
        for chosen in combinations(members, size):
            weights = np.zeros(len(predicted))
            weights[list(chosen)] = _summing_to_one(predicted[list(chosen)], target)
            loss = float(np.mean((weights @ predicted - target) ** 2))
            if (weights >= 0).all() and loss < least * (1 - 1e-12):
                best, least = weights, loss
    return best


def held_out_stack(predicted: Array, target: Array, patients: Sequence[str]) -> Array:
    """Return the stack's prediction of each radiograph with weights fitted without its patient.

    Args:
        predicted: ``(M, N)`` predictions of the members, g/cm².
        target: ``(N,)`` measured densities, g/cm².
        patients: ``(N,)`` patient of each.

    Returns:
        ``(N,)`` g/cm²; equal weights for the only patient there is.
    """
    owner, stacked = np.array(patients), np.empty(len(target))
    for patient in dict.fromkeys(patients):
        own = owner == patient
        others = ~own
        weights = (
            stack_weights(predicted[:, others], target[others])
            if others.any()
            else np.full(len(predicted), 1 / len(predicted))
        )
        stacked[own] = weights @ predicted[:, own]
    return stacked


def _summing_to_one(predicted: Array, target: Array) -> Array:
    """Return the weights of least squared error among those whose sum is 1, of any sign."""
    *others, last = predicted
    if not others:
        return np.ones(1)
    found = np.linalg.lstsq((np.array(others) - last).T, target - last, rcond=None)[0]
    return np.append(found, 1.0 - found.sum())
