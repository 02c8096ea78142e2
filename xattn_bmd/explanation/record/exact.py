"""The worth of every coalition of variables, for each pair: exact Shapley values and interactions.

A coalition keeps the radiograph's values of its variables and takes the others from the other person.  Coalitions that
differ only in variables that are the same in both people are asked for once.

Axes: ``Q`` pairs, ``V`` clinical variables, ``C = 2^V`` coalitions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import ConfigError
from xattn_bmd.explanation.record.coalitions import MOST_VARIABLES, members, pair_weights, value_weights
from xattn_bmd.explanation.record.pairs import Corners, Pairs, Played, Values


def play_exact(pairs: Pairs, corners: Corners) -> Played:
    """Return the exact values of each pair.

    Args:
        pairs: radiographs and people.
        corners: worth of the empty and of the whole coalition.

    Raises:
        ConfigError: if there are more variables than :data:`~xattn_bmd.explanation.record.coalitions.MOST_VARIABLES`.
    """
    require_few(pairs.variables)
    weights = value_weights(pairs.variables)
    own = np.where(pairs.differs_QV, own_worth(pairs, corners) @ weights, 0.0)
    if not pairs.reader.reads_picture:
        return Played(own, own)
    others = _worth(pairs, pairs.other_Q, start=corners.neither, end=corners.record)
    return Played(own, np.where(pairs.differs_QV, others @ weights, 0.0))


def exact_interactions(pairs: Pairs, corners: Corners) -> Values:
    """Return the Shapley interactions ``(Q, V, V)`` beside the radiograph's own picture, g/cm².

    Args:
        pairs: radiographs and people.
        corners: worth of the empty and of the whole coalition.

    Raises:
        ConfigError: as :func:`play_exact`.
    """
    require_few(pairs.variables)
    each = np.tensordot(own_worth(pairs, corners), pair_weights(pairs.variables), axes=1)
    both_differ = pairs.differs_QV[:, :, None] & pairs.differs_QV[:, None, :]
    return np.where(both_differ, each, 0.0)


def own_worth(pairs: Pairs, corners: Corners) -> Values:
    """Return the worth of every coalition beside the radiograph's own picture, ``(Q, C)`` g/cm²."""
    return _worth(pairs, pairs.one_Q, start=corners.picture, end=corners.both)


def require_few(variables: int) -> None:
    """Refuse more variables than all coalitions can be played with.

    Raises:
        ConfigError: naming the number.
    """
    if variables > MOST_VARIABLES:
        raise ConfigError(
            f"All coalitions are played for {MOST_VARIABLES} clinical variables at most, but the model reads "
            f"{variables}; choose method='orders'."
        )


def _worth(pairs: Pairs, picture_Q: NDArray[np.int64], *, start: Values, end: Values) -> Values:
    inside_CV = members(pairs.variables)
    coalition_C = np.arange(len(inside_CV))
    mask_Q = pairs.differs_QV @ (1 << np.arange(pairs.variables))
    pair, coalition = np.nonzero((coalition_C[None] & ~mask_Q[:, None]) == 0)
    record = np.where(inside_CV[coalition], pairs.one_Q[pair, None], pairs.other_Q[pair, None])
    worth_QC = np.full((len(mask_Q), len(inside_CV)), np.nan)
    worth_QC[pair, coalition] = pairs.reader.densities(picture_Q[pair], record)
    worth_QC[np.arange(len(mask_Q)), mask_Q] = end
    worth_QC[:, 0] = start
    return np.take_along_axis(worth_QC, coalition_C[None] & mask_Q[:, None], axis=1)
