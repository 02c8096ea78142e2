"""Means over radiographs, with intervals from a bootstrap of the patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.metrics.intervals import Draws, Resampled, patient_draws, resampled_sums, split_draws
from xattn_bmd.metrics.tables.layout import interval_reason, valued


def mean_rows(
    values: NDArray[np.float64], *, patients: Sequence[str], seed: int = 0, replicates: int = 2000
) -> list[dict[str, Any]]:
    """Return the mean of each column of ``(N, K)`` with its interval, ``n``, ``patients`` and ``reason``.

    Args:
        values: ``(N, K)``; a row with NaN is left out of that column.
        patients: patient of each row.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Example:
        >>> mean_rows(np.array([[1.0], [3.0]]), patients=["a", "b"], replicates=100)[0]["value"]
        2.0
    """
    names, codes = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    draws = patient_draws(len(names), seed=seed, replicates=replicates)
    return [mean_row(ratio_of_sums(column, np.ones(len(column)), codes, draws), column, codes) for column in values.T]


def ratio_of_sums(
    value: NDArray[np.float64], by: NDArray[np.float64], codes: NDArray[np.int64], draws: Draws
) -> Resampled:
    """Return the sum of one column by the sum of another, over rows where the first is known.

    Args:
        value: ``(N,)``; NaN where it is not known.
        by: ``(N,)``.
        codes: ``(N,)`` number of each row's patient.
        draws: weightings of the patients.
    """
    known = ~np.isnan(value)
    pairs = np.stack([np.where(known, value, 0.0), np.where(known, by, 0.0)], axis=1)
    summed = np.zeros((draws.weights.shape[1], 2))
    np.add.at(summed, codes, pairs)
    above, below = resampled_sums(draws.weights, summed).T
    return split_draws(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0), draws)


def mean_row(statistic: Resampled, value: NDArray[np.float64], codes: NDArray[np.int64]) -> dict[str, Any]:
    """Return a statistic with its interval, the ``n`` and ``patients`` that it rests on, and why it has no interval."""
    known = ~np.isnan(value)
    counted = {"n": int(known.sum()), "patients": len(np.unique(codes[known]))}
    return {**valued(statistic), **counted, "reason": interval_reason(statistic)}
