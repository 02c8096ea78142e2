"""The three WHO classes: each radiograph is normal, osteopenia or osteoporosis by its predicted density.

Everything follows from the nine cells of the confusion matrix, so that thousands of bootstrap replicates cost one
matrix product.  Sensitivity, specificity, precision and F1 of a class set it against the other two; ``macro`` is the
plain mean over all three classes.

A rate with an empty denominator is NaN: the sensitivity, and F1, of a class that no radiograph has, the precision of
one that is never predicted.  A macro average that needs it is NaN as well.  scikit-learn would put 0 there
(``zero_division``), which reads as a measured failure, or leave the class out, which averages other classes in one
cohort or bootstrap replicate than in the next.  F1 of a class that is present and never predicted is 0, as in
scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import NORMAL_EDGE, OSTEOPOROSIS_EDGE
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.screening import low_density

WhoClass = Literal["normal", "osteopenia", "osteoporosis"]
WHO_CLASSES: tuple[WhoClass, ...] = ("normal", "osteopenia", "osteoporosis")
CLASS_RATES = ("sensitivity", "specificity", "precision", "f1")
OVERALL_RATES = ("accuracy", "kappa", "weighted_kappa")

MACRO = "macro"
ALL = "all"

ONE_CLASS = "all radiographs are of one class and predicted to be"

_DISTANCE = np.subtract.outer(np.arange(3), np.arange(3)) ** 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassificationResult:
    """How well the WHO classes are told apart.

    Attributes:
        confusion: (3, 3) int, true class in rows, predicted class in columns, in the order :data:`WHO_CLASSES`.
        rates: every rate in -1 to 1 by (class, rate): :data:`CLASS_RATES` of each class and of ``macro``,
            :data:`OVERALL_RATES` of ``all``; NaN where undefined.
        reasons: why a rate is NaN, by (class, rate).
        n: number of radiographs.
        reference: name of the reference population.
    """

    confusion: NDArray[np.int64]
    rates: dict[tuple[str, str], float]
    reasons: dict[tuple[str, str], str]
    n: int
    reference: str


def classification(target: ArrayLike, prediction: ArrayLike, *, reference: Reference) -> ClassificationResult:
    """Return how well predicted densities tell the WHO classes apart.

    Args:
        target: (N,) g/cm², on the device scale of ``reference``.
        prediction: (N,) g/cm².
        reference: the young-adult population of the T-scores.

    Raises:
        MetricError: if the shapes differ or a density is not finite.

    Example:
        >>> from xattn_bmd.bone.reference import get_reference
        >>> neck = get_reference("lunar_femoral_neck_white_female")
        >>> result = classification([0.6, 0.65, 0.8, 1.0], [0.6, 0.75, 0.8, 1.1], reference=neck)
        >>> result.confusion.tolist(), result.rates["osteoporosis", "sensitivity"]
        ([[1, 0, 0], [0, 1, 0], [0, 1, 1]], 0.5)
    """
    if np.shape(target) != np.shape(prediction) or np.ndim(target) != 1:
        raise MetricError(
            f"Targets and predictions have the same shape (N,), but {np.shape(target)} and {np.shape(prediction)} "
            "were given; pair them."
        )
    if not (np.isfinite(target).all() and np.isfinite(prediction).all()):
        raise MetricError("Densities to classify are finite, but some are NaN or infinite; leave those out.")
    true, predicted = who_codes(target, reference=reference), who_codes(prediction, reference=reference)
    cells = confusion_cells(true, predicted).sum(axis=0)
    return ClassificationResult(
        confusion=cells.reshape(3, 3).astype(np.int64),
        rates={key: float(rate) for key, rate in rates_from_cells(cells).items()},
        reasons=undefined_class_rates(cells),
        n=len(true),
        reference=reference.name,
    )


def who_codes(density: ArrayLike, *, reference: Reference) -> NDArray[np.int64]:
    """Return the place in :data:`WHO_CLASSES` of each density, g/cm², by the rule of ``who_class``.

    Example:
        >>> from xattn_bmd.bone.reference import get_reference
        >>> who_codes([1.0, 0.8, 0.6], reference=get_reference("lunar_femoral_neck_white_female")).tolist()
        [0, 1, 2]
    """
    lower = (low_density(density, reference=reference, threshold=edge) for edge in (NORMAL_EDGE, OSTEOPOROSIS_EDGE))
    return np.asarray(sum(low.astype(np.int64) for low in lower), dtype=np.int64)


def confusion_cells(true: NDArray[np.int64], predicted: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what each radiograph adds to the nine cells, ``(..., 9)``, true class first."""
    return np.asarray(np.eye(9)[3 * true + predicted])


def rates_from_cells(cells: NDArray[np.float64]) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Return every rate by (class, rate) from the nine cells of the confusion matrix.

    Kappa is Cohen's (1960), weighted kappa charges errors by the square of their distance in classes (Cohen 1968).

    Args:
        cells: (..., 9), true class first.

    Returns:
        (...) of each of :data:`CLASS_RATES` of the three classes and ``macro``, and :data:`OVERALL_RATES` of ``all``.

    Example:
        >>> rates = rates_from_cells(np.array([8.0, 2, 0, 1, 6, 1, 0, 1, 3]))
        >>> round(float(rates["macro", "sensitivity"]), 3), round(float(rates["all", "weighted_kappa"]), 3)
        (0.767, 0.794)
    """
    matrix = cells.reshape(*cells.shape[:-1], 3, 3)
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    of_class, called, total = matrix.sum(axis=-1), matrix.sum(axis=-2), cells.sum(axis=-1)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        each = {
            "sensitivity": hits / of_class,
            "specificity": (total - of_class - called + hits) / (total - of_class),
            "precision": hits / called,
            "f1": np.where(of_class > 0, 2.0 * hits / (of_class + called), np.nan),
        }
        chance = of_class[..., :, None] * called[..., None, :] / total[..., None]
        overall = {
            "accuracy": hits.sum(axis=-1) / total[..., 0],
            "kappa": _kappa(matrix, chance, 1.0 - np.eye(3)),
            "weighted_kappa": _kappa(matrix, chance, _DISTANCE),
        }
    rates = {(name, rate): each[rate][..., code] for code, name in enumerate(WHO_CLASSES) for rate in CLASS_RATES}
    macro = {(MACRO, rate): each[rate].mean(axis=-1) for rate in CLASS_RATES}
    return rates | macro | {(ALL, rate): value for rate, value in overall.items()}


def undefined_class_rates(cells: NDArray[np.float64]) -> dict[tuple[str, str], str]:
    """Return, for each (class, rate) that cannot be computed from nine cells, (9,), why.

    Example:
        >>> undefined_class_rates(np.array([8.0, 2, 0, 1, 6, 0, 0, 1, 0]))["macro", "precision"]
        'no radiograph is predicted osteoporosis'
    """
    matrix = cells.reshape(3, 3)
    reasons: dict[tuple[str, str], str] = {}
    for name, row, column in zip(WHO_CLASSES, matrix, matrix.T, strict=True):
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


def _kappa(
    matrix: NDArray[np.float64], chance: NDArray[np.float64], charge: NDArray[np.float64]
) -> NDArray[np.float64]:
    expected = (charge * chance).sum(axis=(-2, -1))
    observed = (charge * matrix).sum(axis=(-2, -1))
    return np.where(expected > 0, 1.0 - observed / expected, np.nan)
