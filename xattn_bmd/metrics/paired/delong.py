"""DeLong's test of two correlated areas under the ROC curve, for patients with several radiographs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.intervals import LEVEL

DELONG = "delong"


class DeLong(NamedTuple):
    """Result of :func:`delong`.

    Attributes:
        difference: area of a minus area of b.
        low: lower end of its 95 % interval (normal).
        high: upper end of it.
        p: two-sided p-value of no difference.
    """

    difference: float
    low: float
    high: float
    p: float


def delong(positive: ArrayLike, score_a: ArrayLike, score_b: ArrayLike, *, patients: ArrayLike) -> DeLong:
    """Return the difference of two areas under the ROC curve on the same radiographs, and its test.

    A radiograph's placement value is the share of the other class that it is rightly ranked against, ties counting
    half, averaged over repeats.  The variance of the difference comes from sums of placement values by patient
    (Obuchowski 1997, Biometrics 53:567); with one radiograph per patient and one repeat this is the test of DeLong,
    DeLong and Clarke-Pearson (1988, Biometrics 44:837).

    Args:
        positive: (N,) bool.
        score_a: (repeats, N) or (N,) score of model a, higher means more likely positive.
        score_b: same shape, score of model b.
        patients: (N,) patient of each radiograph, of any type.

    Returns:
        Interval and p are NaN where fewer than two patients have a positive or fewer than two a negative radiograph;
        so is the difference where a class is absent.  Where no ranking differs, p is 1 and the interval NaN.

    Raises:
        MetricError: if the shapes differ or a score is not finite.

    Example:
        >>> result = delong([1, 1, 1, 0, 0, 0], [6, 5, 3, 4, 2, 1], [6, 2, 3, 4, 5, 1], patients=range(6))
        >>> round(result.difference, 3), round(result.p, 3)
        (0.333, 0.221)
    """
    labels = np.asarray(positive, dtype=bool)
    a, b = (np.atleast_2d(np.asarray(score, dtype=np.float64)) for score in (score_a, score_b))
    codes = np.unique(np.asarray(patients), return_inverse=True)[1]
    if a.shape != b.shape or a.shape[1:] != labels.shape or codes.shape != labels.shape:
        raise MetricError(
            "DeLong's test takes labels (N,), patients (N,) and two scores (repeats, N), but shapes "
            f"{labels.shape}, {codes.shape}, {a.shape} and {b.shape} were given; pair them."
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise MetricError("The scores of an AUROC are finite, but some are NaN or infinite; leave those out.")
    if labels.all() or not labels.any():
        return DeLong(*(float("nan"),) * 4)
    placed = _placement(labels, a) - _placement(labels, b)
    difference = float(placed[labels].mean())
    return _tested(difference, _variance(labels, placed, codes, difference))


def _placement(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the placement value of each radiograph, (N,), averaged over the repeats of ``scores``, (repeats, N)."""
    placed = np.empty_like(scores)
    for row, score in zip(placed, scores, strict=True):
        row[labels] = _share_below(np.sort(score[~labels]), score[labels])
        row[~labels] = 1.0 - _share_below(np.sort(score[labels]), score[~labels])
    return np.asarray(placed.mean(axis=0))


def _share_below(ordered: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    below, up_to = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return np.asarray((below + up_to) / (2.0 * len(ordered)))


def _variance(
    labels: NDArray[np.bool_], placed: NDArray[np.float64], codes: NDArray[np.intp], difference: float
) -> float:
    of_positives, of_negatives = (
        np.bincount(codes[rows], weights=placed[rows] - difference, minlength=codes.max() + 1) / rows.sum()
        for rows in (labels, ~labels)
    )
    both = 2.0 * _unbiased(len(of_positives)) * float(of_positives @ of_negatives)
    each = [
        _unbiased(len(np.unique(codes[rows]))) * float(sums @ sums)
        for rows, sums in ((labels, of_positives), (~labels, of_negatives))
    ]
    return sum(each) + both


def _unbiased(clusters: int) -> float:
    return clusters / (clusters - 1) if clusters > 1 else float("nan")


def _tested(difference: float, variance: float) -> DeLong:
    from scipy import stats

    # Rounding noise of placement values that are equal must not become a test.
    if np.isnan(variance) or variance < 1e-24:
        same = variance < 1e-24 and abs(difference) < 1e-12
        return DeLong(difference, float("nan"), float("nan"), 1.0 if same else float("nan"))
    error = float(np.sqrt(variance))
    half = float(stats.norm.ppf(0.5 + LEVEL / 2.0)) * error
    return DeLong(difference, difference - half, difference + half, float(2.0 * stats.norm.sf(abs(difference) / error)))
