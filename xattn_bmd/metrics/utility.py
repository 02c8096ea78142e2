"""Decision curves: what acting on a predicted risk is worth, against acting on everyone and on no one.

Who acts from a risk of ``p`` on accepts ``(1 - p) / p`` needless actions for one that was needed.  Net benefit counts
needed actions and charges the needless ones at that rate (Vickers and Elkin 2006; Vickers 2019, PMC6777022).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.intervals import Draws, Resampled, split_draws
from xattn_bmd.metrics.pooled import drawn_sums
from xattn_bmd.metrics.predictions import PredictionGrid
from xattn_bmd.metrics.screening import low_density

PROBABILITIES = tuple(percent / 100 for percent in range(5, 51))
"""Threshold probabilities stated beforehand: from 1 in 20 (19 needless DXA scans for one that finds low density) to one
half, beyond which a needless scan would weigh more than a missed low density."""


def net_benefit(low: ArrayLike, risk: ArrayLike, *, probabilities: ArrayLike = PROBABILITIES) -> NDArray[np.float64]:
    """Return ``TP / n - FP / n * p / (1 - p)`` of acting where the risk is at least ``p``, for each ``p``.

    Args:
        low: (N,) bool, whether each radiograph is of low density.
        risk: (N,) predicted probability of low density.
        probabilities: (Q,) threshold probabilities ``p``, above 0 and below 1.

    Returns:
        (Q,) net benefits, in needed actions per radiograph.

    Raises:
        MetricError: if the shapes differ, or a risk or a threshold probability is out of range.

    Example:
        >>> net_benefit([True, True, False, False], [0.9, 0.3, 0.6, 0.1], probabilities=[0.2, 0.5]).tolist()
        [0.4375, 0.0]
    """
    labels, risks = np.asarray(low, dtype=bool), np.asarray(risk, dtype=np.float64)
    if labels.shape != risks.shape or labels.ndim != 1 or not labels.size:
        raise MetricError(
            "Labels and risks of a net benefit have the same shape (N,), N at least 1, but "
            f"{labels.shape} and {risks.shape} were given; pair them."
        )
    if not ((risks >= 0) & (risks <= 1)).all():
        raise MetricError("Risks lie in 0-1, but some are outside or NaN; leave those out.")
    return np.asarray(benefit_terms(labels, risks, checked_probabilities(probabilities)).mean(axis=0))


def pooled_net_benefit(
    grid: PredictionGrid,
    *,
    risk: NDArray[np.float64],
    draws: Draws,
    reference: Reference,
    threshold: float,
    probabilities: ArrayLike = PROBABILITIES,
) -> list[Resampled]:
    """Return the net benefit at each threshold probability, and how it varies between patients.

    Args:
        grid: the predictions.
        risk: (repeats, N) probability of low density, by something that was not fitted to these rows; all 1 acts on
            everyone, all 0 on no one.  What a radiograph adds is its mean over repeats.
        draws: from :func:`xattn_bmd.metrics.intervals.patient_draws`.
        reference: the young-adult population of the T-scores.
        threshold: a T-score.
        probabilities: (Q,) threshold probabilities, above 0 and below 1.

    Returns:
        ``Q`` statistics.

    Raises:
        MetricError: if a threshold probability is out of range.
    """
    low = low_density(grid.target, reference=reference, threshold=threshold)
    places = checked_probabilities(probabilities)
    terms = np.mean([benefit_terms(low, of_repeat, places) for of_repeat in risk], axis=0)
    sums = drawn_sums(grid, np.column_stack([np.ones(len(low)), terms]), draws)
    return [split_draws(column, draws) for column in (sums[:, 1:] / sums[:, :1]).T]


def checked_probabilities(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return threshold probabilities as floats, (Q,).

    Raises:
        MetricError: if they are not between 0 and 1, both excluded.
    """
    places = np.asarray(probabilities, dtype=np.float64)
    if places.ndim != 1 or not ((places > 0) & (places < 1)).all():
        raise MetricError(
            f"Threshold probabilities, shape (Q,), lie above 0 and below 1, but {places} was given; mend them."
        )
    return places


def benefit_terms(
    low: NDArray[np.bool_], risk: NDArray[np.float64], probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what each radiograph, or patient, adds at each threshold probability, (N, Q)."""
    worth = np.where(low[:, None], 1.0, -probabilities / (1.0 - probabilities))
    return np.where(risk[:, None] >= probabilities, worth, 0.0)
