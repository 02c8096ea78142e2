"""ROC and precision-recall curves on a fixed grid, with pointwise bands from the patient bootstrap.

Every radiograph is ranked by its predicted density, lowest first, and equal predictions share one cut-off.  The curve
of each bootstrap replicate is read at the same places, so that the band at a place is a percentile interval.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.intervals import Draws, blocks, percentile_interval
from xattn_bmd.metrics.predictions import PredictionGrid
from xattn_bmd.metrics.screening import low_density

CurveKind: TypeAlias = Literal["roc", "precision_recall"]

PLACES: dict[CurveKind, NDArray[np.float64]] = {
    "roc": np.arange(101) / 100,
    "precision_recall": np.arange(1, 101) / 100,
}
"""Where each curve is read: false-positive rates from 0, recalls from 0.01 (at recall 0 nothing need be called)."""

_ROUNDING = 1e-9


class Band(NamedTuple):
    """A curve and its pointwise 95 % percentile band; NaN where there is none.

    Attributes:
        x: (X,) false-positive rate, or recall.
        y: (X,) sensitivity, or precision.
        low: (X,) lower end of the band.
        high: (X,) upper end of it.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class Ranked(NamedTuple):
    """Radiographs in the order of their predictions.

    Attributes:
        order: (N,) positions of the radiographs, lowest prediction first.
        low: (N,) bool in that order.
        last: (K,) the last place of each different prediction.
    """

    order: NDArray[np.int64]
    low: NDArray[np.bool_]
    last: NDArray[np.int64]


class Called(NamedTuple):
    """Weight of the radiographs called low at each cut-off, from calling none to calling all.

    Attributes:
        tp: (W, K + 1) low and called low.
        fp: (W, K + 1) not low and called low.
    """

    tp: NDArray[np.float64]
    fp: NDArray[np.float64]


def roc(low: ArrayLike, prediction: ArrayLike, *, false_positive_rates: ArrayLike) -> NDArray[np.float64]:
    """Return the sensitivity at given false-positive rates.

    Straight lines join the cut-offs, as in the area that counts ties half; at a vertical step the upper end counts.

    Args:
        low: (N,) bool, whether each radiograph is of low density.
        prediction: (N,) predicted density, g/cm²; a lower one is called low first.
        false_positive_rates: (X,) in 0-1.

    Returns:
        (X,) sensitivities; NaN where one class is absent.

    Raises:
        MetricError: if the shapes differ, a prediction is not finite or a rate lies outside 0-1.

    Example:
        >>> roc([True, False, True, False], [0.7, 0.8, 0.9, 1.0], false_positive_rates=[0.0, 0.25, 0.5]).tolist()
        [0.5, 0.5, 1.0]
    """
    called = cumulated(_ranked(low, prediction), np.ones((1, len(np.asarray(low)))))
    return np.asarray(sensitivity_at(called, _shares(false_positive_rates))[0])


def precision_recall(low: ArrayLike, prediction: ArrayLike, *, recalls: ArrayLike) -> NDArray[np.float64]:
    """Return the precision at given recalls.

    It is the precision of the first cut-off that reaches the recall, the step function whose area is the average
    precision; straight lines between cut-offs would promise too much (Davis and Goadrich 2006).

    Args:
        low: (N,) bool, whether each radiograph is of low density.
        prediction: (N,) predicted density, g/cm²; a lower one is called low first.
        recalls: (X,) in 0-1.

    Returns:
        (X,) precisions; NaN at recall 0 and where no radiograph is low.

    Raises:
        MetricError: if the shapes differ, a prediction is not finite or a recall lies outside 0-1.

    Example:
        >>> precision_recall([True, False, True, False], [0.7, 0.8, 0.9, 1.0], recalls=[0.5, 1.0]).round(3).tolist()
        [1.0, 0.667]
    """
    called = cumulated(_ranked(low, prediction), np.ones((1, len(np.asarray(low)))))
    return np.asarray(precision_at(called, _shares(recalls))[0])


def pooled_curves(
    grid: PredictionGrid, *, model: str, draws: Draws, reference: Reference, threshold: float
) -> dict[CurveKind, Band]:
    """Return both curves of a model, pooled over the folds, with repeats as the mean of their curves.

    Args:
        grid: the predictions.
        model: one of its models.
        draws: from :func:`xattn_bmd.metrics.intervals.patient_draws`.
        reference: the young-adult population of the T-scores.
        threshold: a T-score.
    """
    low = low_density(grid.target, reference=reference, threshold=threshold)
    repeats = [ranked(low, prediction) for prediction in grid.predictions[model]]
    parts: dict[CurveKind, list[NDArray[np.float64]]] = {kind: [] for kind in PLACES}
    for block in blocks(draws.weights[: 1 + draws.replicates]):
        weights = block[:, grid.patients].astype(np.float64)
        counts = [cumulated(each, weights) for each in repeats]
        for kind, read in _READ.items():
            parts[kind].append(np.mean([read(each, PLACES[kind]) for each in counts], axis=0))
    return {kind: _band(PLACES[kind], np.concatenate(curves)) for kind, curves in parts.items()}


def ranked(low: NDArray[np.bool_], prediction: NDArray[np.float64]) -> Ranked:
    """Return radiographs, (N,), sorted once for any number of weightings."""
    order = np.argsort(prediction, kind="stable")
    values = prediction[order]
    return Ranked(order, low[order], np.flatnonzero(np.append(values[1:] > values[:-1], True)))


def cumulated(ranks: Ranked, weights: NDArray[np.float64]) -> Called:
    """Return what is called low at every cut-off under every weighting of the radiographs, (W, N)."""
    sorted_weights = weights[:, ranks.order]
    counts = np.zeros((2, len(weights), len(ranks.last) + 1))
    for count, rows in zip(counts, (ranks.low, ~ranks.low), strict=True):
        count[:, 1:] = np.cumsum(sorted_weights * rows, axis=1)[:, ranks.last]
    return Called(counts[0], counts[1])


def sensitivity_at(called: Called, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return :func:`roc` under every weighting, (W, X)."""
    tp, fp = called
    wanted = rates * fp[:, -1:]
    here = _searched(fp, wanted * (1 + _ROUNDING), side="right") - 1
    following = np.minimum(here + 1, fp.shape[1] - 1)
    tp_here, fp_here = (np.take_along_axis(count, here, axis=1) for count in (tp, fp))
    tp_next, fp_next = (np.take_along_axis(count, following, axis=1) for count in (tp, fp))
    with np.errstate(divide="ignore", invalid="ignore"):
        way = np.where(fp_next > fp_here, (wanted - fp_here) / (fp_next - fp_here), 0.0)
        sensitivity = (tp_here + np.clip(way, 0.0, 1.0) * (tp_next - tp_here)) / tp[:, -1:]
    return np.where((tp[:, -1:] > 0) & (fp[:, -1:] > 0), sensitivity, np.nan)


def precision_at(called: Called, recalls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return :func:`precision_recall` under every weighting, (W, X)."""
    tp, fp = called
    first = _searched(tp, recalls * tp[:, -1:] * (1 - _ROUNDING), side="left")
    tp_first, fp_first = (np.take_along_axis(count, first, axis=1) for count in (tp, fp))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(tp_first / (tp_first + fp_first))


_READ: dict[CurveKind, Callable[[Called, NDArray[np.float64]], NDArray[np.float64]]] = {
    "roc": sensitivity_at,
    "precision_recall": precision_at,
}


def _searched(
    rising: NDArray[np.float64], wanted: NDArray[np.float64], *, side: Literal["left", "right"]
) -> NDArray[np.int64]:
    # Rows are laid end to end, each lifted above the one before, so that one search serves all of them.
    lift = np.arange(len(rising))[:, None] * (rising[:, -1].max() + 1.0)
    found = np.searchsorted((rising + lift).ravel(), (wanted + lift).ravel(), side=side).reshape(wanted.shape)
    return np.asarray(found - np.arange(len(rising))[:, None] * rising.shape[1])


def _band(places: NDArray[np.float64], curves: NDArray[np.float64]) -> Band:
    ends = np.array([percentile_interval(at_place) for at_place in curves[1:].T])
    return Band(places, curves[0], ends[:, 0], ends[:, 1])


def _ranked(low: ArrayLike, prediction: ArrayLike) -> Ranked:
    labels, densities = np.asarray(low, dtype=bool), np.asarray(prediction, dtype=np.float64)
    if labels.shape != densities.shape or labels.ndim != 1 or not labels.size:
        raise MetricError(
            "Labels and predictions of a curve have the same shape (N,), N at least 1, but "
            f"{labels.shape} and {densities.shape} were given; pair them."
        )
    if not np.isfinite(densities).all():
        raise MetricError("The predictions of a curve are finite, but some are NaN or infinite; leave those out.")
    return ranked(labels, densities)


def _shares(values: ArrayLike) -> NDArray[np.float64]:
    places = np.asarray(values, dtype=np.float64)
    if places.ndim != 1 or not ((places >= 0) & (places <= 1)).all():
        raise MetricError(f"A curve is read at shares in 0-1, shape (X,), but {places} was given; mend it.")
    return places
