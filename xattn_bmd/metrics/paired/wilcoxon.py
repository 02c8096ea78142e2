"""Wilcoxon's signed-rank test of two models' absolute errors, one pair per patient."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.errors import MetricError

WILCOXON = "wilcoxon_signed_rank"


class Wilcoxon(NamedTuple):
    """Result of :func:`wilcoxon`.

    Attributes:
        difference: median over patients of mean absolute error of a minus that of b, g/cm².
        p: two-sided p-value of differences that are symmetric about 0.
    """

    difference: float
    p: float


def wilcoxon(error_a: ArrayLike, error_b: ArrayLike, *, patients: ArrayLike) -> Wilcoxon:
    """Return Wilcoxon's signed-rank test of the patients' mean absolute errors.

    A patient's error is the mean over his radiographs and repeats, so that patients are independent pairs.  Patients
    with no difference are left out of the ranks (Wilcoxon's own rule); without any difference p is 1.  The test is
    about ranks: a model that is a little better in most patients and much worse in a few wins it, and may still have
    the larger mean error.

    Args:
        error_a: (repeats, N) or (N,) errors of model a, g/cm², of either sign.
        error_b: same shape, errors of model b.
        patients: (N,) patient of each radiograph, of any type.

    Raises:
        MetricError: if the shapes differ or an error is not finite.

    Example:
        >>> wilcoxon([0.1, -0.2, 0.1, 0.1, 0.1], [0.2, 0.4, 0.4, -0.5, 0.6], patients=range(5)).p
        0.0625
    """
    from scipy import stats

    a, b = (np.atleast_2d(np.asarray(error, dtype=np.float64)) for error in (error_a, error_b))
    names = np.asarray(patients)
    if a.shape != b.shape or a.shape[1:] != names.shape or len(names) == 0:
        raise MetricError(
            "Wilcoxon's test takes patients (N,) and two errors (repeats, N) of at least one radiograph, but shapes "
            f"{names.shape}, {a.shape} and {b.shape} were given; pair them."
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise MetricError("Errors to compare are finite, but some are NaN or infinite; leave those out.")
    codes = np.unique(names, return_inverse=True)[1]
    difference = _by_patient(a, codes) - _by_patient(b, codes)
    p = float(stats.wilcoxon(difference, zero_method="wilcox").pvalue) if difference.any() else 1.0
    return Wilcoxon(float(np.median(difference)), p)


def _by_patient(errors: NDArray[np.float64], codes: NDArray[np.intp]) -> NDArray[np.float64]:
    of_radiographs = np.abs(errors).mean(axis=0)
    return np.asarray(np.bincount(codes, weights=of_radiographs) / np.bincount(codes))
