"""Metrics pooled over the folds, and how they vary between patients, from a grid of predictions.

Every radiograph counts once.  With repeats, what a radiograph adds to a sum (a squared error, a place in the two-by-two
table) is the mean over the repeats, and the AUROC is the mean of the repeats' AUROCs, because scores of different
repeats come from different networks and are not ranked against each other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.metrics.auroc import weighted_auroc
from xattn_bmd.metrics.intervals import Draws, Resampled, resample, resampled_sums, split_draws
from xattn_bmd.metrics.predictions import PredictionGrid
from xattn_bmd.metrics.regression import metrics_from_sums, regression_terms
from xattn_bmd.metrics.screening import confusion_terms, low_density, rates_from_counts


def pooled_regression(grid: PredictionGrid, *, model: str, draws: Draws) -> dict[str, Resampled]:
    """Return every regression metric of a model.

    Args:
        grid: the predictions.
        model: one of its models.
        draws: from :func:`xattn_bmd.metrics.intervals.patient_draws`.
    """
    prediction = grid.predictions[model]
    terms = regression_terms(np.broadcast_to(grid.target, prediction.shape), prediction).mean(axis=0)
    values = metrics_from_sums(drawn_sums(grid, terms, draws))
    return {name: split_draws(each, draws) for name, each in values.items()}


def pooled_screening(
    grid: PredictionGrid, *, model: str, draws: Draws, reference: Reference, threshold: float
) -> dict[str, Resampled]:
    """Return every screening metric of a model, and the counts ``tp, fn, fp, tn``.

    Args:
        grid: the predictions.
        model: one of its models.
        draws: from :func:`xattn_bmd.metrics.intervals.patient_draws`.
        reference: the young-adult population of the T-scores.
        threshold: a T-score.
    """
    prediction = grid.predictions[model]
    low = low_density(grid.target, reference=reference, threshold=threshold)
    called = low_density(prediction, reference=reference, threshold=threshold)
    cells = drawn_sums(grid, confusion_terms(np.broadcast_to(low, called.shape), called).mean(axis=0), draws)
    values = rates_from_counts(cells) | dict(zip(("tp", "fn", "fp", "tn"), cells.T, strict=True))
    pooled = {name: split_draws(each, draws) for name, each in values.items()}
    area = mean_over_repeats(grid, lambda repeat: lambda weights: weighted_auroc(low, -prediction[repeat], weights))
    return pooled | {"auroc": resample(area, draws, grid.patients)}


def mean_over_repeats(
    grid: PredictionGrid, statistic: Callable[[int], Callable[[NDArray[np.float64]], NDArray[np.float64]]]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the mean over repeats of a statistic: weights of the radiographs ``(W, N)`` -> ``(W,)``.

    Args:
        grid: the predictions.
        statistic: repeat -> statistic of it.
    """
    each = [statistic(repeat) for repeat in range(len(grid.folds))]
    return lambda weights: np.mean([of_repeat(weights) for of_repeat in each], axis=0)


def drawn_sums(grid: PredictionGrid, terms: NDArray[np.float64], draws: Draws) -> NDArray[np.float64]:
    """Return sums over radiographs in every draw, (1 + R + G, K), from what each radiograph adds, (N, K)."""
    per_patient = np.zeros((grid.n_patients, terms.shape[-1]))
    np.add.at(per_patient, grid.patients, terms)
    return resampled_sums(draws.weights, per_patient)
