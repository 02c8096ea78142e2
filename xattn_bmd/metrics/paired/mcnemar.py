"""McNemar's test: does one model call more radiographs rightly than the other?"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.errors import MetricError

MCNEMAR_EXACT = "mcnemar_exact"
MCNEMAR_CLUSTERED = "mcnemar_clustered"


class McNemar(NamedTuple):
    """Result of :func:`mcnemar`.

    Attributes:
        difference: share called rightly by a minus share called rightly by b, every patient counting once.
        p: two-sided p-value of no difference.
        test: which of the two tests it was.
    """

    difference: float
    p: float
    test: Literal["mcnemar_exact", "mcnemar_clustered"]


def mcnemar(right_a: ArrayLike, right_b: ArrayLike, *, patients: ArrayLike) -> McNemar:
    """Return whether two models differ in the share of radiographs that they call rightly.

    Given all radiographs this compares accuracy; given only those of low density, sensitivity; only the others,
    specificity.  With one radiograph per patient and one repeat: the exact binomial test of the discordant pairs.
    Else the test for clustered pairs of Durkalski et al. (2003, Stat Med 22:2417), ``(sum of d)² / sum of d²`` on one
    degree of freedom, with ``d`` a patient's share right only by a minus share right only by b; it counts every
    patient once, whatever his number of radiographs, and rests on the number of discordant patients being large.

    Args:
        right_a: (repeats, N) or (N,) whether model a is right.
        right_b: same shape, whether model b is right.
        patients: (N,) patient of each radiograph, of any type.

    Returns:
        p is 1 where no pair is discordant; all NaN without radiographs.

    Raises:
        MetricError: if the shapes differ.

    Example:
        >>> result = mcnemar([1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 1], patients=range(7))
        >>> round(result.difference, 3), result.p
        (0.714, 0.125)
    """
    a, b = (np.atleast_2d(np.asarray(right, dtype=bool)) for right in (right_a, right_b))
    names = np.asarray(patients)
    if a.shape != b.shape or a.shape[1:] != names.shape:
        raise MetricError(
            "McNemar's test takes patients (N,) and two outcomes (repeats, N), but shapes "
            f"{names.shape}, {a.shape} and {b.shape} were given; pair them."
        )
    codes, sizes = np.unique(names, return_inverse=True, return_counts=True)[1:]
    exact = len(a) == 1 and len(sizes) == len(names)
    better = (a.astype(np.float64) - b).mean(axis=0)
    by_patient = np.bincount(codes, weights=better, minlength=len(sizes)) / sizes
    test: Literal["mcnemar_exact", "mcnemar_clustered"] = "mcnemar_exact" if exact else "mcnemar_clustered"
    if len(names) == 0:
        return McNemar(float("nan"), float("nan"), test)
    return McNemar(float(by_patient.mean()), _exact_p(by_patient) if exact else _clustered_p(by_patient), test)


def _exact_p(by_patient: NDArray[np.float64]) -> float:
    from scipy import stats

    only_a, only_b = int((by_patient > 0).sum()), int((by_patient < 0).sum())
    return min(1.0, 2.0 * float(stats.binom.cdf(min(only_a, only_b), only_a + only_b, 0.5)))


def _clustered_p(by_patient: NDArray[np.float64]) -> float:
    from scipy import stats

    squares = float(by_patient @ by_patient)
    return float(stats.chi2.sf(by_patient.sum() ** 2 / squares, 1)) if squares > 0 else 1.0
