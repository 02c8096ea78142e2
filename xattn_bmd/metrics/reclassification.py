"""Who changes WHO class when one model is used in place of another, and whether towards the true class.

A change is better where the class comes closer to the true one (osteopenia in place of normal for a radiograph with
osteoporosis), worse where it moves away.  From one class below the truth to one above it is neither.  ``net`` is the
share of better changes less that of worse ones; unlike the net reclassification index it is not summed over classes, so
it stays a share of the radiographs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.metrics.classification import who_codes
from xattn_bmd.metrics.intervals import Draws, Resampled, split_draws
from xattn_bmd.metrics.pooled import drawn_sums
from xattn_bmd.metrics.predictions import PredictionGrid

RECLASSIFICATION_METRICS = ("share_reclassified", "better", "worse", "net")


def reclassification_terms(
    true: NDArray[np.int64], class_a: NDArray[np.int64], class_b: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return what each radiograph adds to the numbers reclassified, better and worse of a in place of b, ``(..., 3)``.

    Args:
        true: (...) true class, 0 to 2.
        class_a: (...) class by model a.
        class_b: (...) class by model b.

    Example:
        >>> true, a, b = np.array([2, 2, 1]), np.array([1, 2, 0]), np.array([0, 2, 1])
        >>> reclassification_terms(true, a, b).sum(axis=0).tolist()
        [2.0, 1.0, 1.0]
    """
    off_a, off_b = np.abs(class_a - true), np.abs(class_b - true)
    return np.stack([class_a != class_b, off_a < off_b, off_a > off_b], axis=-1).astype(np.float64)


def pooled_reclassification(
    grid: PredictionGrid, *, model_a: str, model_b: str, draws: Draws, reference: Reference
) -> dict[str, Resampled]:
    """Return how many radiographs change class when model a is used in place of model b.

    Args:
        grid: the predictions.
        model_a: one of its models.
        model_b: another one; compared with ``model_a`` in each repeat.
        draws: from :func:`xattn_bmd.metrics.intervals.patient_draws`.
        reference: the young-adult population of the T-scores.

    Returns:
        Each of :data:`RECLASSIFICATION_METRICS`, as a share of the radiographs.
    """
    true = who_codes(grid.target, reference=reference)
    class_a, class_b = (who_codes(grid.predictions[model], reference=reference) for model in (model_a, model_b))
    terms = reclassification_terms(true, class_a, class_b).mean(axis=0)
    count, changed, better, worse = drawn_sums(grid, np.column_stack([np.ones(len(true)), terms]), draws).T
    values = (changed / count, better / count, worse / count, (better - worse) / count)
    return {name: split_draws(each, draws) for name, each in zip(RECLASSIFICATION_METRICS, values, strict=True)}


def reclassification_counts(
    grid: PredictionGrid, *, model_a: str, model_b: str, reference: Reference
) -> NDArray[np.float64]:
    """Return the number of radiographs by (true class, class by a, class by b), (3, 3, 3), as means over repeats."""
    true = who_codes(grid.target, reference=reference)
    class_a, class_b = (who_codes(grid.predictions[model], reference=reference) for model in (model_a, model_b))
    cells = (9 * true + 3 * class_a + class_b).ravel()
    return np.bincount(cells, minlength=27).reshape(3, 3, 3) / len(class_a)
