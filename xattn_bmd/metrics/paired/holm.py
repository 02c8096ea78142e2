"""Holm's adjustment of p-values for the number of tests in a family."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.errors import MetricError


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Return p-values adjusted so that rejecting those <= 0.05 errs anywhere in the family in at most 5 % of studies.

    The smallest of ``M`` is multiplied by ``M``, the next by ``M - 1`` and so on, never falling below the one before
    (Holm 1979, Scand J Stat 6:65).

    Args:
        p: (M,) p-values of one family; NaN where a test could not be made, which does not count in ``M``.

    Returns:
        (M,) adjusted p-values, at most 1; NaN where ``p`` is.

    Raises:
        MetricError: if a p-value lies outside 0-1.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    made = np.flatnonzero(~np.isnan(values))
    if values.ndim != 1 or (values[made] < 0).any() or (values[made] > 1).any():
        raise MetricError(f"Holm's adjustment takes p-values (M,) between 0 and 1, but {values} was given; mend them.")
    order = made[np.argsort(values[made], kind="stable")]
    scaled = values[order] * np.arange(len(order), 0, -1)
    adjusted = np.full(values.shape, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted
