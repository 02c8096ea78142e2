"""Metrics pooled over the folds, and how they vary between patients, from a grid of predictions.

Every radiograph counts once.  With repeats, what a radiograph adds to a sum (a squared error, a place in the two-by-two
table) is the mean over the repeats; the AUROC, the AUPRC and Spearman's correlation are the mean of the repeats',
because scores of different repeats come from different networks and are not ranked against each other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.metrics.auprc import weighted_auprc
from xattn_bmd.metrics.auroc import weighted_auroc
from xattn_bmd.metrics.intervals import Draws, Resampled, resample, split_draws, sums_of_draws
from xattn_bmd.metrics.predictions import PredictionGrid
from xattn_bmd.metrics.ranks import weighted_spearman
from xattn_bmd.metrics.regression import metrics_from_sums, regression_terms
from xattn_bmd.metrics.risk import Risk, risk
from xattn_bmd.metrics.screening import low_density
from xattn_bmd.metrics.two_by_two import CELLS, Average, averaged_rates, confusion_terms, rates_from_counts


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


def pooled_spearman(grid: PredictionGrid, *, model: str, draws: Draws) -> Resampled:
    """Return Spearman's correlation of a model, the mean of those of the repeats; arguments as above.

    It is apart from :func:`pooled_regression` because ranks need every radiograph's weight, which takes longer.
    """
    prediction = grid.predictions[model]
    ranked = mean_over_repeats(
        grid, lambda repeat: lambda weights: weighted_spearman(grid.target, prediction[repeat], weights)
    )
    return resample(ranked, draws, grid.patients)


def pooled_screening(
    grid: PredictionGrid,
    *,
    model: str,
    draws: Draws,
    reference: Reference,
    threshold: float,
    fitted: Risk | None = None,
) -> dict[str, Resampled]:
    """Return every screening metric of a model for low density, and the counts ``tp, fn, fp, tn``.

    Args:
        grid: the predictions.
        model: one of its models.
        draws: from :func:`xattn_bmd.metrics.intervals.patient_draws`.
        reference: the young-adult population of the T-scores.
        threshold: a T-score.
        fitted: the risk behind the Brier score; None fits it on the other folds.  It stays as it is in every draw.
    """
    prediction = grid.predictions[model]
    low = low_density(grid.target, reference=reference, threshold=threshold)
    called = low_density(prediction, reference=reference, threshold=threshold)
    fitted = fitted or risk(grid, model=model, reference=reference, threshold=threshold)
    squared = ((fitted.probability - low) ** 2)[..., None]
    terms = np.concatenate([confusion_terms(np.broadcast_to(low, called.shape), called), squared], axis=-1)
    sums = drawn_sums(grid, terms.mean(axis=0), draws)
    cells = sums[:, :4]
    values = rates_from_counts(cells) | dict(zip(CELLS, cells.T, strict=True))
    pooled = {name: split_draws(each, draws) for name, each in values.items()}
    pooled["brier"] = split_draws(sums[:, 4] / cells.sum(axis=1), draws)
    for name, area in (("auroc", weighted_auroc), ("auprc", weighted_auprc)):
        pooled[name] = resample(_mean_area(grid, area, low, -prediction), draws, grid.patients)
    return pooled


def pooled_average(pooled: dict[str, Resampled], *, average: Average) -> dict[str, Resampled]:
    """Return precision, recall and F1 averaged over both classes, from :func:`pooled_screening`."""
    values, replicates, left_out = (
        averaged_rates(np.stack(part, axis=-1), average=average)
        for part in zip(*(pooled[cell] for cell in CELLS), strict=True)
    )
    return {name: Resampled(float(values[name]), replicates[name], left_out[name]) for name in values}


def scored_folds(grid: PredictionGrid) -> list[tuple[int, NDArray[np.bool_]]]:
    """Return the repeat and the radiographs, (N,) bool, of each scored fold, in the order of repeats and folds."""
    return [(repeat, codes == code) for repeat, codes in enumerate(grid.folds) for code in np.unique(codes)]


def fold_sums(grid: PredictionGrid, *, model: str) -> NDArray[np.float64]:
    """Return the eight sums of :func:`~xattn_bmd.metrics.regression.regression_terms` in each scored fold, (R, 8)."""
    predictions = grid.predictions[model]
    return np.stack(
        [
            regression_terms(grid.target[rows], predictions[repeat][rows]).sum(axis=0)
            for repeat, rows in scored_folds(grid)
        ]
    )


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
    return sums_of_draws(terms, draws, grid.patients)


def _mean_area(
    grid: PredictionGrid,
    area: Callable[[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    positive: NDArray[np.bool_],
    scores: NDArray[np.float64],
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    return mean_over_repeats(grid, lambda repeat: lambda weights: area(positive, scores[repeat], weights))
