"""Shapley values from random orders in which the variables change hands (Castro, Gómez and Tejada 2009).

Variables are taken over from the other person one by one, and each is credited with what its step changed.  Over all
orders that is the Shapley value; here each person has one order, and the next person the same order backwards, which
cancels the interaction of any two variables.  Beside the other's picture each order runs backwards too.

Axes: ``Q`` pairs, ``M`` people, ``V`` clinical variables, ``T`` steps, as many as variables.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.explanation.record.pairs import Corners, Pairs, Played, Values


def play_orders(pairs: Pairs, corners: Corners, *, seed: int) -> Played:
    """Return the values of one order for each pair.

    Args:
        pairs: radiographs and people.
        corners: the ends of every order.
        seed: of the orders, which depend on the person alone.
    """
    order_QT = np.tile(_orders(len(pairs.people), pairs.variables, seed), (len(pairs.rows), 1))
    own = _along(pairs, order_QT, pairs.one_Q, start=corners.picture, end=corners.both)
    if not pairs.reader.reads_picture:
        return Played(own, own)
    others = _along(pairs, order_QT[:, ::-1], pairs.other_Q, start=corners.neither, end=corners.record)
    return Played(own, others)


def _orders(people: int, variables: int, seed: int) -> NDArray[np.int64]:
    """Return an order for each person, ``(M, T)``; every second one is the one before it backwards."""
    rng = np.random.default_rng(seed)
    forward = [rng.permutation(variables) for _ in range((people + 1) // 2)]
    return np.array([order[::step] for order in forward for step in (1, -1)][:people], dtype=np.int64)


def _along(
    pairs: Pairs, order_QT: NDArray[np.int64], picture_Q: NDArray[np.int64], *, start: Values, end: Values
) -> Values:
    """Return what each variable's step changed, ``(Q, V)``."""
    differs_QT = np.take_along_axis(pairs.differs_QV, order_QT, axis=1)
    later_QT = np.cumsum(differs_QT[:, ::-1], axis=1)[:, ::-1] > differs_QT
    asked = np.nonzero(differs_QT & later_QT)
    worth_QT = np.full(order_QT.shape, np.nan)
    worth_QT[asked] = _ask(pairs, np.argsort(order_QT, axis=1), picture_Q, *asked)
    before, values_QV = start, np.zeros(order_QT.shape)
    each = np.arange(len(order_QT))
    for step in range(order_QT.shape[1]):
        reached = np.where(later_QT[:, step], worth_QT[:, step], end)
        after = np.where(differs_QT[:, step], reached, before)
        values_QV[each, order_QT[:, step]] = after - before
        before = after
    return values_QV


def _ask(
    pairs: Pairs,
    rank_QV: NDArray[np.int64],
    picture_Q: NDArray[np.int64],
    pair: NDArray[np.int64],
    step: NDArray[np.int64],
) -> Values:
    """Return the density of some pairs after some step of their order."""
    taken_over = rank_QV[pair] <= step[:, None]
    record = np.where(taken_over, pairs.one_Q[pair, None], pairs.other_Q[pair, None])
    return pairs.reader.densities(picture_Q[pair], record)
