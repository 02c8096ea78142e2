"""Rates of any number of classes, from the cells of the confusion matrix.

Everything follows from the K² cells, so that thousands of bootstrap replicates cost one matrix product.  Sensitivity,
specificity, precision and F1 of a class set it against all others; ``macro`` is the plain mean over all classes.

A rate with an empty denominator is NaN: the sensitivity, and F1, of a class that no radiograph has, the precision of
one that is never predicted.  A macro average that needs it is NaN as well.  scikit-learn would put 0 there
(``zero_division``), which reads as a measured failure, or leave the class out, which averages other classes in one
cohort or bootstrap replicate than in the next.  F1 of a class that is present and never predicted is 0, as in
scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.metrics.kappa import kappa_from_matrix

CLASS_RATES = ("sensitivity", "specificity", "precision", "f1")
OVERALL_RATES = ("accuracy", "kappa", "weighted_kappa")

MACRO = "macro"
ALL = "all"

ONE_CLASS = "all radiographs are of one class and predicted to be"


def confusion_cells(true: NDArray[np.int64], predicted: NDArray[np.int64], *, n_classes: int) -> NDArray[np.float64]:
    """Return what each radiograph adds to the cells, ``(..., K²)``, true class first.

    Example:
        >>> confusion_cells(np.array([1]), np.array([0]), n_classes=2).tolist()
        [[0.0, 0.0, 1.0, 0.0]]
    """
    return np.asarray(np.eye(n_classes**2)[n_classes * true + predicted])


def rates_from_cells(
    cells: NDArray[np.float64], *, classes: Sequence[str]
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return every rate by (class, rate) from the cells of the confusion matrix.

    Kappa is Cohen's (1960), weighted kappa charges errors by the square of their distance in classes (Cohen 1968) and
    means something for classes in order only.

    Args:
        cells: (..., K²), true class first.
        classes: (K,) names, in the order of the cells.

    Returns:
        (...) of each of :data:`CLASS_RATES` of the classes and ``macro``, and :data:`OVERALL_RATES` of ``all``.

    Example:
        >>> rates = rates_from_cells(np.array([8.0, 2, 0, 1, 6, 1, 0, 1, 3]), classes=("none", "old", "fresh"))
        >>> round(float(rates["macro", "sensitivity"]), 3), round(float(rates["all", "weighted_kappa"]), 3)
        (0.767, 0.794)
    """
    matrix = _matrix(cells, classes)
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    of_class, called, total = matrix.sum(axis=-1), matrix.sum(axis=-2), cells.sum(axis=-1)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        each = {
            "sensitivity": hits / of_class,
            "specificity": (total - of_class - called + hits) / (total - of_class),
            "precision": hits / called,
            "f1": np.where(of_class > 0, 2.0 * hits / (of_class + called), np.nan),
        }
        overall = {
            "accuracy": hits.sum(axis=-1) / total[..., 0],
            "kappa": kappa_from_matrix(matrix),
            "weighted_kappa": kappa_from_matrix(matrix, charge="quadratic"),
        }
    return _named(each, classes) | {(ALL, rate): value for rate, value in overall.items()}


def one_against_rest_accuracy(
    cells: NDArray[np.float64], *, classes: Sequence[str]
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return, for each class and ``macro``, the share of radiographs rightly put into the class or into the rest.

    It is never below the accuracy over all classes: a mistake between two other classes is none here.

    Args:
        cells: (..., K²), true class first.
        classes: (K,) names, in the order of the cells.

    Example:
        >>> found = one_against_rest_accuracy(np.array([8.0, 2, 0, 1, 6, 1, 0, 1, 3]), classes=("none", "old", "fresh"))
        >>> round(float(found["old", "accuracy"]), 3)
        0.773
    """
    matrix = _matrix(cells, classes)
    hits, total = np.diagonal(matrix, axis1=-2, axis2=-1), cells.sum(axis=-1)[..., None]
    wrong = matrix.sum(axis=-1) + matrix.sum(axis=-2) - 2.0 * hits
    with np.errstate(invalid="ignore"):
        return _named({"accuracy": 1.0 - wrong / total}, classes)


def undefined_class_rates(cells: NDArray[np.float64], *, classes: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return, for each (class, rate) that cannot be computed from the cells, (K²,), why.

    Example:
        >>> cells = np.array([8.0, 2, 0, 1, 6, 0, 0, 1, 0])
        >>> undefined_class_rates(cells, classes=("none", "old", "fresh"))["macro", "precision"]
        'no radiograph is predicted fresh'
    """
    matrix = _matrix(cells, classes)
    reasons: dict[tuple[str, str], str] = {}
    for name, row, column in zip(classes, matrix, matrix.T, strict=True):
        absent = f"no radiograph is {name}" if row.sum() == 0 else ""
        everyone = f"every radiograph is {name}" if row.sum() == cells.sum() else ""
        never = f"no radiograph is predicted {name}" if column.sum() == 0 else ""
        for rate, reason in zip(CLASS_RATES, (absent, everyone, never, absent), strict=True):
            if reason:
                reasons[name, rate] = reason
                reasons.setdefault((MACRO, rate), reason)
    if matrix.sum() and matrix.max() == matrix.sum() and matrix.trace() == matrix.sum():
        reasons |= dict.fromkeys(((ALL, "kappa"), (ALL, "weighted_kappa")), ONE_CLASS)
    return reasons


def _matrix(cells: NDArray[np.float64], classes: Sequence[str]) -> NDArray[np.float64]:
    return cells.reshape(*cells.shape[:-1], len(classes), len(classes))


def _named(each: dict[str, NDArray[np.float64]], classes: Sequence[str]) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return rates, (..., K), by (class, rate), and their plain means over the classes as ``macro``."""
    named = {(name, rate): values[..., code] for code, name in enumerate(classes) for rate, values in each.items()}
    return named | {(MACRO, rate): values.mean(axis=-1) for rate, values in each.items()}
