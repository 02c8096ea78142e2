"""Overlap of a found mask with the drawn one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import MetricError


def dice(found: NDArray[np.bool_], drawn: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the Dice coefficient of each pair of masks, ``2 |A and B| / (|A| + |B|)`` (Dice 1945).

    The intersection over union of a pair is ``d / (2 - d)``.

    Args:
        found: ``(N, ...)`` bool, the pixels that were found to lie inside.
        drawn: ``(N, ...)`` bool, the pixels that do.

    Returns:
        ``(N,)`` from 0 to 1; NaN where both masks are empty.

    Raises:
        MetricError: if the shapes differ.

    Example:
        >>> drawn = np.array([[True, True, False, False], [True, False, False, False]])
        >>> dice(np.array([[True, False, False, False], [False, False, True, True]]), drawn).round(3).tolist()
        [0.667, 0.0]
    """
    if found.shape != drawn.shape or found.ndim < 2:
        raise MetricError(
            f"Masks are compared pixel by pixel, (N, H, W) each, but {found.shape} and {drawn.shape} were given; give "
            "both on one grid."
        )
    axes = tuple(range(1, found.ndim))
    both, total = (found & drawn).sum(axes), found.sum(axes) + drawn.sum(axes)
    overlap: NDArray[np.float64] = np.divide(2.0 * both, total, out=np.full(len(found), np.nan), where=total > 0)
    return overlap
