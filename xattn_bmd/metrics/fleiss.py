"""Fleiss' kappa: the agreement beyond chance of any number of readers on the same items."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.errors import MetricError


def fleiss_kappa(counts: ArrayLike) -> float:
    """Return the agreement of several readers beyond chance (Fleiss 1971, Psychol Bull 76:378-382).

    It is ``(observed - expected) / (1 - expected)``: ``observed`` is the mean share of agreeing pairs of readers on an
    item, ``expected`` the sum of the squared shares of the classes among all readings.

    Args:
        counts: (N, K) how many readers put each item into each class; every item has as many readers.

    Returns:
        Kappa, at most 1; NaN where all readings are of one class.

    Raises:
        MetricError: if the counts are negative, or the items do not have the same number of readers, two at least.

    Example:
        >>> round(fleiss_kappa([[3, 0], [0, 3], [2, 1]]), 3)
        0.55
    """
    table = np.asarray(counts, dtype=np.float64)
    readers = np.unique(table.sum(axis=-1)) if table.ndim == 2 else np.empty(0)
    if len(readers) != 1 or readers[0] < 2 or (table < 0).any():
        raise MetricError(
            "Fleiss' kappa takes counts (N, K) of the same number of readers for every item, two at least, but shape "
            f"{table.shape} with {', '.join(f'{n:g}' for n in readers) or 'no'} readers was given; leave out items "
            "that a reader lacks."
        )
    return float(fleiss_from_sums(fleiss_terms(table).sum(axis=0)))


def fleiss_terms(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what each item adds to the sums behind the kappa, (N, 1 + K).

    Args:
        counts: (N, K) how many of the same number of readers put each item into each class.

    Returns:
        The share of agreeing pairs of readers, then the share of the readers in each class.
    """
    readers = counts.sum(axis=-1, keepdims=True)
    agreeing = (counts * (counts - 1.0)).sum(axis=-1, keepdims=True) / (readers * (readers - 1.0))
    return np.concatenate([agreeing, counts / readers], axis=-1)


def fleiss_from_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Fleiss' kappa from sums of :func:`fleiss_terms`.

    Args:
        sums: (..., 1 + K).

    Returns:
        (...); NaN where all readings are of one class.
    """
    shares = sums[..., 1:]
    items = shares.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = ((shares / items[..., None]) ** 2).sum(axis=-1)
        kappa = (sums[..., 0] / items - expected) / (1.0 - expected)
    one_class = (shares > 0).sum(axis=-1) < 2
    return np.where(one_class, np.nan, kappa)[()]
