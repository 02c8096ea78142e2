"""Screening for low density: each radiograph is called low or not by its predicted density.

The positive class is always LOW density: *not normal* (T < -1) at the threshold -1, at or below the threshold at every
other one (*osteoporosis*, T <= -2.5, at -2.5).  A prediction is positive by the same rule.  Metrics are those of the
positive class; nothing is averaged over classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import NORMAL_EDGE, density_at, is_low, t_score
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.auroc import auroc

SCREENING_METRICS = ("accuracy", "sensitivity", "specificity", "precision", "recall", "f1", "auroc", "prevalence")

NO_POSITIVE = "no radiograph is low"
NO_NEGATIVE = "every radiograph is low"
NO_CALL = "no radiograph is predicted low"


@dataclass(frozen=True, kw_only=True)
class ScreeningResult:
    """How well low density is found.

    Attributes:
        accuracy: share of radiographs called rightly.
        sensitivity: share of the low ones called low; the same as ``recall``.
        specificity: share of the others called not low.
        precision: share of those called low that are low.
        recall: the same as ``sensitivity``.
        f1: harmonic mean of precision and recall.
        auroc: area under the ROC curve of the negative predicted density; NaN where only counts are known.
        prevalence: share of low radiographs.
        tp: low and called low.
        fn: low and not called low.
        fp: not low and called low.
        tn: not low and not called low.
        n: all four together.
        positive: the positive class in words.
        reference: name of the reference population; empty where only counts are known.
        reasons: why a metric is NaN, by name of the metric.
    """

    accuracy: float
    sensitivity: float
    specificity: float
    precision: float
    recall: float
    f1: float
    auroc: float
    prevalence: float
    tp: int
    fn: int
    fp: int
    tn: int
    n: int
    positive: str
    reference: str
    reasons: dict[str, str]


def screening(
    target: ArrayLike, prediction: ArrayLike, *, reference: Reference, threshold: float = NORMAL_EDGE
) -> ScreeningResult:
    """Return how well predicted densities find the radiographs of low density.

    Args:
        target: (N,) g/cm², on the device scale of ``reference``.
        prediction: (N,) g/cm².
        reference: the young-adult population of the T-scores.
        threshold: a T-score.

    Raises:
        MetricError: if the shapes differ or a density is not finite.
        ConfigError: if the threshold is not a finite number.

    Example:
        >>> from xattn_bmd.bone.reference import get_reference
        >>> neck = get_reference("lunar_femoral_neck_white_female")
        >>> result = screening([0.7, 0.8, 1.0, 1.1], [0.75, 0.95, 0.85, 1.0], reference=neck)
        >>> result.positive, result.sensitivity, result.auroc
        ('low density: T < -1 (density < 0.899 g/cm²)', 0.5, 0.75)
    """
    if not (np.isfinite(target).all() and np.isfinite(prediction).all()):
        raise MetricError("Densities to screen are finite, but some are NaN or infinite; leave those out.")
    low = low_density(target, reference=reference, threshold=threshold)
    called = low_density(prediction, reference=reference, threshold=threshold)
    if low.shape != called.shape or low.ndim != 1:
        raise MetricError(
            f"Targets and predictions have the same shape (N,), but {low.shape} and {called.shape} were given; "
            "pair them."
        )
    tp, fn, fp, tn = (int(count) for count in confusion_terms(low, called).sum(axis=0))
    return screening_from_counts(
        tp=tp,
        fn=fn,
        fp=fp,
        tn=tn,
        auroc=auroc(low, -np.asarray(prediction, dtype=np.float64)),
        positive=positive_class(reference=reference, threshold=threshold),
        reference=reference.name,
    )


def screening_from_counts(
    *,
    tp: int,
    fn: int,
    fp: int,
    tn: int,
    auroc: float = float("nan"),
    positive: str = "low density",
    reference: str = "",
) -> ScreeningResult:
    """Return the screening metrics of a two-by-two table.

    Args:
        tp: low and called low.
        fn: low and not called low.
        fp: not low and called low.
        tn: not low and not called low.
        auroc: area under the ROC curve, where it is known.
        positive: the positive class in words.
        reference: name of the reference population.

    Raises:
        MetricError: if a count is negative.

    Example:
        >>> result = screening_from_counts(tp=98, fn=33, fp=20, tn=82)
        >>> [round(value, 3) for value in (result.accuracy, result.precision, result.recall, result.f1)]
        [0.773, 0.831, 0.748, 0.787]
    """
    if min(tp, fn, fp, tn) < 0:
        raise MetricError(f"Counts are not negative, but tp={tp}, fn={fn}, fp={fp}, tn={tn} were given; mend them.")
    rates = rates_from_counts(np.array([tp, fn, fp, tn], dtype=np.float64))
    return ScreeningResult(
        accuracy=float(rates["accuracy"]),
        sensitivity=float(rates["sensitivity"]),
        specificity=float(rates["specificity"]),
        precision=float(rates["precision"]),
        recall=float(rates["recall"]),
        f1=float(rates["f1"]),
        auroc=auroc,
        prevalence=float(rates["prevalence"]),
        tp=tp,
        fn=fn,
        fp=fp,
        tn=tn,
        n=tp + fn + fp + tn,
        positive=positive,
        reference=reference,
        reasons=undefined_reasons(low=tp + fn, not_low=fp + tn, called=tp + fp),
    )


def rates_from_counts(counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return every screening metric except the AUROC from counts ``(..., 4)`` in the order tp, fn, fp, tn.

    A metric whose denominator is empty is NaN; F1 is NaN where no radiograph is low.
    """
    tp, fn, fp, tn = np.moveaxis(counts, -1, 0)
    low, total = tp + fn, tp + fn + fp + tn
    with np.errstate(divide="ignore", invalid="ignore"):
        sensitivity = tp / low
        return {
            "accuracy": (tp + tn) / total,
            "sensitivity": sensitivity,
            "specificity": tn / (tn + fp),
            "precision": tp / (tp + fp),
            "recall": sensitivity,
            "f1": np.where(low > 0, 2 * tp / (2 * tp + fp + fn), np.nan),
            "prevalence": low / total,
        }


def undefined_reasons(*, low: float, not_low: float, called: float) -> dict[str, str]:
    """Return, for each metric that cannot be computed, why.

    Args:
        low: number of radiographs of low density.
        not_low: number of the others.
        called: number of radiographs predicted low.
    """
    reasons: dict[str, str] = {}
    if called == 0:
        reasons["precision"] = NO_CALL
    if not_low == 0:
        reasons |= dict.fromkeys(("specificity", "auroc"), NO_NEGATIVE)
    if low == 0:
        reasons |= dict.fromkeys(("sensitivity", "recall", "f1", "auroc"), NO_POSITIVE)
    return reasons


def confusion_terms(low: NDArray[np.bool_], called: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return what each radiograph adds to the counts, ``(..., 4)`` in the order tp, fn, fp, tn."""
    return np.stack([low & called, low & ~called, ~low & called, ~low & ~called], axis=-1).astype(np.float64)


def low_density(density: ArrayLike, *, reference: Reference, threshold: float) -> NDArray[np.bool_]:
    """Return whether each density, g/cm², is low at a T-score threshold of the reference population.

    Raises:
        ConfigError: if the threshold is not a finite number.
    """
    return is_low(t_score(density, reference=reference), threshold=threshold)


def positive_class(*, reference: Reference, threshold: float) -> str:
    """Return the positive class in words, with its density."""
    sign = "<" if threshold == NORMAL_EDGE else "<="
    density = float(density_at(threshold, reference=reference))
    return f"low density: T {sign} {threshold:g} (density {sign} {density:.3f} g/cm²)"
