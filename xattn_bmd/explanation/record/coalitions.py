"""Shapley values from the worth of all coalitions: the textbook sums as matrices.

A coalition is a number whose bit ``v`` says whether variable ``v`` is in it.  Axes: ``V`` variables, ``C = 2^V``
coalitions.
"""

from __future__ import annotations

from functools import lru_cache
from math import factorial

import numpy as np
from numpy.typing import NDArray

MOST_VARIABLES = 12
"""Variables whose coalitions are all played at most: 4,096 for each pair of people."""


@lru_cache(maxsize=4)
def members(variables: int) -> NDArray[np.bool_]:
    """Return which variables are in each coalition, ``(C, V)``.

    Example:
        >>> members(2).astype(int).tolist()
        [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    coalition = np.arange(2**variables)[:, None]
    return (coalition >> np.arange(variables)) & 1 > 0


@lru_cache(maxsize=4)
def value_weights(variables: int) -> NDArray[np.float64]:
    """Return the matrix ``(C, V)`` that turns the worth of all coalitions into Shapley values (Shapley 1953).

    ``φ_v = Σ_S |S|! (V - |S| - 1)! / V! · (worth(S ∪ v) - worth(S))`` over the coalitions ``S`` without ``v``.

    Example:
        >>> (np.array([0.0, 1.0, 2.0, 5.0]) @ value_weights(2)).tolist()
        [2.0, 3.0]
    """
    inside = members(variables)
    size = inside.sum(axis=1)
    joining = np.array([_joining(count, variables) for count in range(variables)] + [0.0])
    weights: NDArray[np.float64] = np.where(inside, joining[np.maximum(size - 1, 0)][:, None], -joining[size][:, None])
    return weights


@lru_cache(maxsize=4)
def pair_weights(variables: int) -> NDArray[np.float64]:
    """Return the weights ``(C, V, V)`` that turn the worth of all coalitions into Shapley interactions.

    Off the diagonal half the Shapley interaction index of Grabisch and Roubens (1999, Int. J. Game Theory 28:547),
    ``½ Σ_S |S|! (V - |S| - 2)! / (V - 1)! · (worth(S ∪ vw) - worth(S ∪ v) - worth(S ∪ w) + worth(S))`` over the
    coalitions ``S`` without ``v`` and ``w``; on it what is left of the Shapley value, so that each row adds up to it.

    Example:
        >>> np.einsum("c,cvw->vw", np.array([0.0, 1.0, 2.0, 5.0]), pair_weights(2)).tolist()
        [[1.0, 1.0], [1.0, 2.0]]
    """
    inside = members(variables)
    both = inside[:, :, None].astype(np.int64) + inside[:, None, :]
    without = inside.sum(axis=1)[:, None, None] - both
    share = np.array([_meeting(count, variables) for count in range(max(variables - 1, 1))])
    signed = np.where(both == 1, -0.5, 0.5)
    weights: NDArray[np.float64] = signed * share[np.clip(without, 0, len(share) - 1)]
    diagonal = np.arange(variables)
    weights[:, diagonal, diagonal] = 0.0
    weights[:, diagonal, diagonal] = value_weights(variables) - weights.sum(axis=2)
    return weights


def _joining(others: int, variables: int) -> float:
    return factorial(others) * factorial(variables - others - 1) / factorial(variables)


def _meeting(others: int, variables: int) -> float:
    return factorial(others) * factorial(max(variables - others - 2, 0)) / factorial(max(variables - 1, 1))
