"""Patient-level bootstrap: patients are drawn with replacement, each with all radiographs and repeats.

Every metric is computed for many weightings of the patients at once: as observed, in each bootstrap replicate, and with
each jackknife group left out (for the acceleration of BCa intervals).  All of them are rows of one matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

REPLICATES = 2000
LEVEL = 0.95
JACKKNIFE_GROUPS = 200
"""Most groups of patients that are left out in turn; with fewer patients each is a group of its own."""

_UNDEFINED_ALLOWED = 0.1
_BLOCK = 256


class Interval(NamedTuple):
    """Lower and upper end; both NaN where there is no interval."""

    low: float
    high: float


NO_INTERVAL = Interval(float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class Draws:
    """How often each patient counts.

    Attributes:
        weights: (1 + R + G, P): all ones, then ``R`` bootstrap replicates, then ``G`` rows with a group left out;
            read-only.
        replicates: number of replicates ``R``; 0 for a single patient, who cannot be resampled.
    """

    weights: NDArray[np.uint16]
    replicates: int


class Resampled(NamedTuple):
    """A statistic and how it varies.

    Attributes:
        value: as observed.
        replicates: (R,) in each bootstrap replicate; NaN where it is undefined.
        left_out: (G,) with each jackknife group left out.
    """

    value: float
    replicates: NDArray[np.float64]
    left_out: NDArray[np.float64]

    def minus(self, other: Resampled) -> Resampled:
        """Return the difference, draw by draw; both must come from the same draws."""
        return Resampled(self.value - other.value, self.replicates - other.replicates, self.left_out - other.left_out)


def patient_draws(n_patients: int, *, seed: int = 0, replicates: int = REPLICATES) -> Draws:
    """Return the weightings of ``P`` patients; the same seed gives the same ones for every model and metric.

    Args:
        n_patients: number of different patients ``P``.
        seed: seed of the draws and of the jackknife groups.
        replicates: number of bootstrap replicates ``R``.

    Example:
        >>> patient_draws(4, seed=0, replicates=3).weights.sum(axis=1).tolist()
        [4, 4, 4, 4, 3, 3, 3, 3]
    """
    return _drawn(n_patients, seed, replicates)


@lru_cache(maxsize=2)  # a report asks some thirty times for the same, an external one for those of two cohorts
def _drawn(n_patients: int, seed: int, replicates: int) -> Draws:
    counts = patient_counts(n_patients, seed=seed, replicates=replicates)
    groups = min(n_patients, JACKKNIFE_GROUPS) if len(counts) else 0
    dealt = np.random.default_rng([seed, 1]).permutation(n_patients) % max(groups, 1)
    left_out = np.arange(groups)[:, None] != dealt[None]
    everyone = np.ones((1, n_patients), dtype=np.uint16)
    weights = np.concatenate([everyone, counts, left_out.astype(np.uint16)])
    weights.setflags(write=False)
    return Draws(weights, len(counts))


def patient_counts(n_patients: int, *, seed: int = 0, replicates: int = REPLICATES) -> NDArray[np.uint16]:
    """Return how often each patient is drawn in each bootstrap replicate.

    Args:
        n_patients: number of different patients ``P``.
        seed: seed of the draws.
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


def split_draws(values: NDArray[np.float64], draws: Draws) -> Resampled:
    """Return a statistic of every row of ``draws.weights``, (1 + R + G,), with its parts named."""
    return Resampled(float(values[0]), values[1 : 1 + draws.replicates], values[1 + draws.replicates :])


def resample(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], draws: Draws, patients: NDArray[np.int64]
) -> Resampled:
    """Return a statistic that needs the weight of every radiograph (one that no sums give, such as an AUROC).

    Args:
        statistic: weights of the radiographs ``(W, N)`` -> ``(W,)``.
        draws: the weightings of the patients.
        patients: (N,) patient of each radiograph.
    """
    # `take` lays each row out in one piece, which indexing would not, and sums along rows are then twice as fast.
    each = [statistic(np.take(block, patients, axis=1).astype(np.float64)) for block in blocks(draws.weights)]
    return split_draws(np.concatenate(each), draws)


def sums_of_draws(terms: NDArray[np.float64], draws: Draws, patients: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return sums over radiographs in every draw, (1 + R + G, K), from what each radiograph adds, (N, K).

    Args:
        terms: (N, K) what each radiograph adds.
        draws: the weightings of the patients.
        patients: (N,) patient of each radiograph, from 0.

    Example:
        >>> draws = patient_draws(2, replicates=0)
        >>> sums_of_draws(np.array([[1.0], [2.0], [4.0]]), draws, np.array([0, 0, 1])).tolist()
        [[7.0]]
    """
    per_patient = np.zeros((draws.weights.shape[1], terms.shape[-1]))
    np.add.at(per_patient, patients, terms)
    return resampled_sums(draws.weights, per_patient)


def resampled_sums(weights: NDArray[np.uint16], patient_sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of every weighting, (W, K), from each patient's sums, (P, K)."""
    return np.concatenate([block.astype(np.float64) @ patient_sums for block in blocks(weights)])


def blocks(weights: NDArray[np.uint16]) -> Iterator[NDArray[np.uint16]]:
    """Yield rows of weights in blocks, so that thousands of patients fit in memory as floats.

    At least one block comes, if only an empty one.
    """
    for start in range(0, max(len(weights), 1), _BLOCK):
        yield weights[start : start + _BLOCK]


def percentile_interval(replicates: ArrayLike, *, level: float = LEVEL) -> Interval:
    """Return the percentile interval of a metric's bootstrap replicates.

    Replicates in which the metric is undefined (NaN) are left out; where more than a tenth of them is, or fewer than
    two are left, the interval is (NaN, NaN).

    Args:
        replicates: (R,) values of the metric.
        level: share of the replicates inside the interval.

    Example:
        >>> percentile_interval(list(range(101)), level=0.5)
        Interval(low=25.0, high=75.0)
    """
    tail = (1.0 - level) / 2.0
    return _quantiles(np.asarray(replicates, dtype=np.float64), tail, 1.0 - tail)


def bca_interval(statistic: Resampled, *, level: float = LEVEL) -> Interval:
    """Return the bias-corrected and accelerated bootstrap interval (Efron 1987).

    The acceleration comes from leaving out each patient, or each of 200 random groups of patients where there are more
    (sums over groups of independent influences keep their second and third moments).  Where the statistic does not
    vary between groups the acceleration is 0.  Undefined replicates as in :func:`percentile_interval`.  A statistic
    that is the same in every replicate (12 of 12 found) has no interval: one without width would call it certain.

    Args:
        statistic: a metric and how it varies.
        level: nominal coverage.

    Example:
        >>> draws = patient_draws(50, replicates=500)
        >>> mean = split_draws(draws.weights @ np.arange(50.0) / draws.weights.sum(axis=1), draws)
        >>> [round(end) for end in bca_interval(mean)]
        [21, 28]
    """
    replicates = statistic.replicates[~np.isnan(statistic.replicates)]
    if np.isnan(statistic.value) or len(replicates) < 2 or replicates.min() == replicates.max():
        return NO_INTERVAL
    below = float(np.mean(replicates < statistic.value) + 0.5 * np.mean(replicates == statistic.value))
    normal, edge = NormalDist(), 0.5 / len(replicates)
    bias = normal.inv_cdf(min(max(below, edge), 1.0 - edge))
    skewness = _acceleration(statistic.left_out)

    def share(z: float) -> float:
        shifted = bias + z
        return normal.cdf(bias + shifted / (1.0 - skewness * shifted))

    z = normal.inv_cdf(0.5 + level / 2.0)
    return _quantiles(statistic.replicates, share(-z), share(z))


def _acceleration(left_out: NDArray[np.float64]) -> float:
    defined = left_out[~np.isnan(left_out)]
    if len(defined) < 2:
        return 0.0
    influence = defined.mean() - defined
    spread = float((influence**2).sum())
    tiny = 1e-24 * float((defined**2).sum())
    return float((influence**3).sum()) / (6.0 * spread**1.5) if spread > tiny else 0.0


def _quantiles(replicates: NDArray[np.float64], lower: float, upper: float) -> Interval:
    defined = replicates[~np.isnan(replicates)]
    if len(defined) < max(2.0, (1.0 - _UNDEFINED_ALLOWED) * len(replicates)):
        return NO_INTERVAL
    low, high = np.quantile(defined, [lower, upper])
    return Interval(float(low), float(high))
