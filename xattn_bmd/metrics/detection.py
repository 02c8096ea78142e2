"""Average precision of detected boxes, as COCO counts it.

Axes: ``W`` weightings of the patients, ``T`` thresholds of overlap, ``D`` detections, ``G`` true boxes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RECALLS = np.linspace(0.0, 1.0, 101)
"""Recalls at which precision is averaged."""

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Overlaps of mAP@0.5:0.95; the first is that of mAP@0.5."""

MOST_DETECTIONS = 100
"""Detections of one label in one radiograph that count, the best first."""

_SMALLEST = float(np.spacing(1))


def box_overlap(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over union of every pair of boxes.

    Args:
        first: (N, 4) ``x0, y0, x1, y1``, pixels, with ``x0 < x1`` and ``y0 < y1``.
        second: (M, 4) likewise.

    Returns:
        (N, M) in 0-1.

    Example:
        >>> box_overlap(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [2, 2, 3, 3]])).round(3).tolist()
        [[0.333, 0.0]]
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0.0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    return np.asarray(shared / (areas[0][:, None] + areas[1][None] - shared))


def match_boxes(
    found: NDArray[np.float64], truth: NDArray[np.float64], *, thresholds: NDArray[np.float64] = THRESHOLDS
) -> NDArray[np.bool_]:
    """Return which detections of one label in one radiograph hit a true box.

    The best detection takes the free true box that it overlaps most, then the next one; a true box is hit once.

    Args:
        found: (D, 4) boxes, the most certain first.
        truth: (G, 4) boxes.
        thresholds: (T,) smallest overlap that is a hit.

    Returns:
        (T, D) bool.

    Example:
        >>> truth = np.array([[0.0, 0, 10, 10]])
        >>> match_boxes(np.array([[0.0, 0, 10, 8], [0, 0, 10, 10]]), truth, thresholds=np.array([0.5, 0.9])).tolist()
        [[True, False], [False, True]]
    """
    places = [assign_boxes(found, truth, threshold=float(threshold)) for threshold in thresholds]
    return np.array(places, dtype=np.int64).reshape(len(thresholds), len(found)) >= 0


def assign_boxes(
    found: NDArray[np.float64], truth: NDArray[np.float64], *, threshold: float = 0.5
) -> NDArray[np.int64]:
    """Return which true box each detection of one radiograph takes, by the rule of :func:`match_boxes`.

    Args:
        found: (D, 4) boxes, the most certain first.
        truth: (G, 4) boxes.
        threshold: smallest overlap that is a hit.

    Returns:
        (D,) row of the true box, or -1 for none.

    Example:
        >>> truth = np.array([[0.0, 0, 10, 10], [0, 20, 10, 30]])
        >>> assign_boxes(np.array([[0.0, 21, 10, 30], [0, 0, 10, 9], [0, 0, 10, 10]]), truth).tolist()
        [1, 0, -1]
    """
    places = np.full(len(found), -1, dtype=np.int64)
    if not len(truth) or not len(found):
        return places
    free = np.ones(len(truth), dtype=np.bool_)
    for row, candidates in enumerate(box_overlap(found, truth)):
        # the last of equally good ones, as COCO's own code takes it
        best = len(truth) - 1 - int(np.argmax(np.where(free, candidates, -1.0)[::-1]))
        if free[best] and candidates[best] >= min(threshold, 1 - 1e-10):
            places[row], free[best] = best, False
    return places


def average_precision(
    hits: NDArray[np.bool_], *, weights: NDArray[np.float64], truth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the area under the precision-recall curve, by COCO's 101-point interpolation.

    At each recall the highest precision at this or a higher recall counts, 0 where the recall is never reached.

    Args:
        hits: (D,) whether each detection hit a true box, the most certain of all radiographs first.
        weights: (W, D) how often each detection's patient counts.
        truth: (W,) number of true boxes, counted the same way.

    Returns:
        (W,) in 0-1; NaN where there is no true box.

    Example:
        >>> average_precision(np.array([True, False, True]), weights=np.ones((1, 3)), truth=np.array([2.0])).round(4)
        array([0.835])
    """
    right = np.cumsum(weights * hits, axis=1)
    precision = right / (np.cumsum(weights, axis=1) + _SMALLEST)
    highest = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    reached = np.concatenate([highest, np.zeros((len(weights), 1))], axis=1)
    values = np.full(len(weights), np.nan)
    for row in np.flatnonzero(truth > 0):
        places = np.searchsorted(right[row] / truth[row], RECALLS, side="left")
        values[row] = reached[row, places].mean()
    return values
