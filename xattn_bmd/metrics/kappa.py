"""Cohen's kappa, plain and weighted, from the confusion matrix of two ratings, for many matrices at once.

Kappa is ``1 - observed / expected`` (Cohen 1960, 1968): the disagreement charged to what was found, over that charged
to two ratings of the same frequencies that know nothing of each other.  Plain kappa charges every disagreement alike,
weighted kappa its distance in classes (``linear``) or the square of it (``quadratic``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.errors import MetricError

Charge = Literal["plain", "linear", "quadratic"]
CHARGES: tuple[Charge, ...] = ("plain", "linear", "quadratic")


def cohens_kappa(
    first: ArrayLike, second: ArrayLike, *, classes: Sequence[str | int], charge: Charge = "plain"
) -> float:
    """Return the agreement of two ratings of the same items beyond chance.

    Args:
        first: (N,) class of each item by one rating.
        second: (N,) class of each item by the other.
        classes: (K,) all classes, from the lowest to the highest where ``charge`` counts distance.
        charge: what a disagreement costs.

    Returns:
        Kappa, at most 1; 0 by chance.  NaN where both ratings put every item into the same single class: nothing can
        be told from chance then (also for no items at all).

    Raises:
        MetricError: if the shapes differ, a class is unknown, or the charge is.

    Example:
        >>> cohens_kappa(["old", "fresh", "none"], ["old", "fresh", "old"], classes=["none", "old", "fresh"])
        0.5
    """
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape or a.ndim != 1:
        raise MetricError(
            f"Two ratings have the same shape (N,), but {a.shape} and {b.shape} were given; pair them by item."
        )
    place = {name: code for code, name in enumerate(classes)}
    unknown = sorted({str(name) for name in (*a.tolist(), *b.tolist()) if name not in place})
    if unknown:
        known = ", ".join(map(str, classes))
        raise MetricError(f"Every rating is one of {known}, but {', '.join(unknown)} was found; mend it or add it.")
    matrix = np.zeros((len(place), len(place)))
    np.add.at(matrix, ([place[name] for name in a.tolist()], [place[name] for name in b.tolist()]), 1.0)
    return float(kappa_from_matrix(matrix, charge=charge))


def kappa_from_matrix(matrix: NDArray[np.float64], *, charge: Charge = "plain") -> NDArray[np.float64]:
    """Return kappa of every confusion matrix.

    Args:
        matrix: (..., K, K) non-negative, one rating in rows and the other in columns.
        charge: what a disagreement costs.

    Returns:
        (...); NaN where all the weight lies in a single cell of the diagonal, or nowhere.

    Raises:
        MetricError: if the charge is unknown.

    Example:
        >>> kappa_from_matrix(np.array([[20.0, 5.0], [10.0, 15.0]])).round(3)
        np.float64(0.4)
    """
    cost = charges(matrix.shape[-1], charge=charge)
    total = matrix.sum(axis=(-2, -1))[..., None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = matrix.sum(axis=-1)[..., :, None] * matrix.sum(axis=-2)[..., None, :] / total
        expected = (cost * chance).sum(axis=(-2, -1))
        observed = (cost * matrix).sum(axis=(-2, -1))
        return np.where(expected > 0, 1.0 - observed / expected, np.nan)[()]


def charges(n_classes: int, *, charge: Charge) -> NDArray[np.float64]:
    """Return what each cell of a (K, K) confusion matrix costs.

    Raises:
        MetricError: if the charge is unknown.

    Example:
        >>> charges(3, charge="quadratic").astype(int).tolist()
        [[0, 1, 4], [1, 0, 1], [4, 1, 0]]
    """
    distance = np.abs(np.subtract.outer(np.arange(n_classes), np.arange(n_classes))).astype(np.float64)
    if charge == "plain":
        return np.minimum(distance, 1.0)
    if charge in ("linear", "quadratic"):
        return distance if charge == "linear" else distance**2
    raise MetricError(f"A charge is one of {', '.join(CHARGES)}, but {charge!r} was given; choose one.")
