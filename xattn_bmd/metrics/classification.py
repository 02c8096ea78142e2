"""The three classes of density: normal, osteopenia (of QCT: low) or osteoporosis by predicted density.

The rates, and what makes one undefined, are those of :mod:`xattn_bmd.metrics.confusion`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.scale import AREAL, scale_of
from xattn_bmd.bone.tscore import NORMAL_EDGE, OSTEOPOROSIS_EDGE
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.confusion import confusion_cells, rates_from_cells, undefined_class_rates
from xattn_bmd.metrics.screening import low_density

WHO_CLASSES = AREAL.classes


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassificationResult:
    """How well the WHO classes are told apart.

    Attributes:
        confusion: (3, 3) int, true class in rows, predicted class in columns, in the order of the classes of its scale.
        rates: every rate in -1 to 1 by (class, rate): ``CLASS_RATES`` of each class and of ``macro``,
            ``OVERALL_RATES`` of ``all``; NaN where undefined.
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
    classes = scale_of(reference).classes
    true, predicted = who_codes(target, reference=reference), who_codes(prediction, reference=reference)
    cells = confusion_cells(true, predicted, n_classes=len(classes)).sum(axis=0)
    return ClassificationResult(
        confusion=cells.reshape(3, 3).astype(np.int64),
        rates={key: float(rate) for key, rate in rates_from_cells(cells, classes=classes).items()},
        reasons=undefined_class_rates(cells, classes=classes),
        n=len(true),
        reference=reference.name,
    )


def who_codes(density: ArrayLike, *, reference: Reference) -> NDArray[np.int64]:
    """Return the place of each density among the classes of its scale, by the rule of ``density_class``.

    Example:
        >>> from xattn_bmd.bone.reference import get_reference
        >>> who_codes([1.0, 0.8, 0.6], reference=get_reference("lunar_femoral_neck_white_female")).tolist()
        [0, 1, 2]
    """
    lower = (low_density(density, reference=reference, threshold=edge) for edge in (NORMAL_EDGE, OSTEOPOROSIS_EDGE))
    return np.asarray(sum(low.astype(np.int64) for low in lower), dtype=np.int64)
