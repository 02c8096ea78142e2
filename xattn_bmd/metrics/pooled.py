"""Metrics pooled over the folds, and their bootstrap replicates, from a grid of predictions.

Every radiograph counts once.  With repeats, what a radiograph adds to a sum (a squared error, a place in the two-by-two
table) is the mean over the repeats, and the AUROC is the mean of the repeats' AUROCs, because scores of different
repeats come from different networks and are not ranked against each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.metrics.auroc import weighted_auroc
from xattn_bmd.metrics.intervals import blocks, resampled_sums
from xattn_bmd.metrics.predictions import PredictionGrid
from xattn_bmd.metrics.regression import metrics_from_sums, regression_terms
from xattn_bmd.metrics.screening import confusion_terms, low_density, rates_from_counts


class Pooled(NamedTuple):
    """A metric over all radiographs and over each bootstrap replicate.

    Attributes:
        value: the metric.
        replicates: (R,) the metric in each replicate; NaN where it is undefined.
    """

    value: float
    replicates: NDArray[np.float64]


def pooled_regression(grid: PredictionGrid, *, model: str, counts: NDArray[np.uint16]) -> dict[str, Pooled]:
    """Return every regression metric of a model.

    Args:
        grid: the predictions.
        model: one of its models.
        counts: (R, P) draws from :func:`xattn_bmd.metrics.intervals.patient_counts`.
    """
    prediction = grid.predictions[model]
    terms = regression_terms(np.broadcast_to(grid.target, prediction.shape), prediction).mean(axis=0)
    per_patient = _per_patient(grid, terms)
    values = metrics_from_sums(per_patient.sum(axis=0))
    replicates = metrics_from_sums(resampled_sums(counts, per_patient))
    return {name: Pooled(float(values[name]), replicates[name]) for name in values}


def pooled_screening(
    grid: PredictionGrid, *, model: str, counts: NDArray[np.uint16], reference: Reference, threshold: float
) -> dict[str, Pooled]:
    """Return every screening metric of a model, and the counts ``tp, fn, fp, tn``.

    Args:
        grid: the predictions.
        model: one of its models.
        counts: (R, P) draws from :func:`xattn_bmd.metrics.intervals.patient_counts`.
        reference: the young-adult population of the T-scores.
        threshold: T = -1 or T = -2.5.
    """
    prediction = grid.predictions[model]
    low = low_density(grid.target, reference=reference, threshold=threshold)
    called = low_density(prediction, reference=reference, threshold=threshold)
    per_patient = _per_patient(grid, confusion_terms(np.broadcast_to(low, called.shape), called).mean(axis=0))
    table = per_patient.sum(axis=0)
    table_replicates = resampled_sums(counts, per_patient)
    values, replicates = rates_from_counts(table), rates_from_counts(table_replicates)
    pooled = {name: Pooled(float(values[name]), replicates[name]) for name in values}
    pooled["auroc"] = _pooled_auroc(grid, low=low, prediction=prediction, counts=counts)
    cells = zip(("tp", "fn", "fp", "tn"), table, table_replicates.T, strict=True)
    return pooled | {name: Pooled(float(value), drawn) for name, value, drawn in cells}


def _pooled_auroc(
    grid: PredictionGrid, *, low: NDArray[np.bool_], prediction: NDArray[np.float64], counts: NDArray[np.uint16]
) -> Pooled:
    everyone = np.ones((1, len(low)))
    value = np.mean([weighted_auroc(low, -of_repeat, everyone)[0] for of_repeat in prediction])
    replicates = [
        np.mean([weighted_auroc(low, -of_repeat, drawn) for of_repeat in prediction], axis=0)
        for drawn in (block[:, grid.patients].astype(np.float64) for block in blocks(counts))
    ]
    return Pooled(float(value), np.concatenate(replicates))


def _per_patient(grid: PredictionGrid, terms: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.zeros((grid.n_patients, terms.shape[-1]))
    np.add.at(sums, grid.patients, terms)
    return sums
