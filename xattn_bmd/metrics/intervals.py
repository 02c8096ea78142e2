"""Patient-level bootstrap: patients are drawn with replacement, each with all radiographs and repeats."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

REPLICATES = 2000
LEVEL = 0.95
_UNDEFINED_ALLOWED = 0.1
_BLOCK = 256


def patient_counts(n_patients: int, *, seed: int = 0, replicates: int = REPLICATES) -> NDArray[np.uint16]:
    """Return how often each patient is drawn in each bootstrap replicate.

    Args:
        n_patients: number of different patients ``P``.
        seed: seed of the draws; the same seed gives the same replicates for every model and metric.
        replicates: number of replicates ``R``.

    Returns:
        (R, P) counts; every row sums to ``P``.  With a single patient there is nothing to draw, and no row: intervals
        made from it are NaN instead of having no width.

    Example:
        >>> patient_counts(4, seed=0, replicates=3).sum(axis=1).tolist()
        [4, 4, 4]
    """
    rng = np.random.default_rng(seed)
    counts = np.empty((replicates if n_patients > 1 else 0, n_patients), dtype=np.uint16)
    for row in counts:
        row[:] = np.bincount(rng.integers(n_patients, size=n_patients), minlength=n_patients)
    return counts


def patient_bootstrap(patients: ArrayLike, *, seed: int = 0, replicates: int = REPLICATES) -> NDArray[np.uint16]:
    """Return how often each radiograph enters each bootstrap replicate when patients are drawn.

    Args:
        patients: (N,) patient of each radiograph, of any type.
        seed: seed of the draws.
        replicates: number of replicates ``R``.

    Returns:
        (R, N) counts; the radiographs of one patient always share a count.

    Example:
        >>> counts = patient_bootstrap(["a", "a", "b"], seed=0, replicates=50)
        >>> bool((counts[:, 0] == counts[:, 1]).all())
        True
    """
    names, codes = np.unique(np.asarray(patients), return_inverse=True)
    return patient_counts(len(names), seed=seed, replicates=replicates)[:, codes]


def percentile_interval(replicates: ArrayLike, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the percentile interval of a metric's bootstrap replicates.

    Replicates in which the metric is undefined (NaN) are left out; where more than a tenth of them is, or fewer than
    two are left, the interval is (NaN, NaN).

    Args:
        replicates: (R,) values of the metric.
        level: share of the replicates inside the interval.

    Example:
        >>> percentile_interval(list(range(101)), level=0.5)
        (25.0, 75.0)
    """
    values = np.asarray(replicates, dtype=np.float64)
    defined = values[~np.isnan(values)]
    if len(defined) < max(2.0, (1.0 - _UNDEFINED_ALLOWED) * len(values)):
        return float("nan"), float("nan")
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return float(low), float(high)


def blocks(counts: NDArray[np.uint16]) -> Iterator[NDArray[np.uint16]]:
    """Yield ``counts`` (R, P) in blocks of rows, so that thousands of patients fit in memory as floats.

    At least one block comes, if only an empty one.
    """
    for start in range(0, max(len(counts), 1), _BLOCK):
        yield counts[start : start + _BLOCK]


def resampled_sums(counts: NDArray[np.uint16], patient_sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of every replicate, (R, K), from each patient's sums, (P, K)."""
    return np.concatenate([block.astype(np.float64) @ patient_sums for block in blocks(counts)])
