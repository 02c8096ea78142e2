"""Screening for low density: each radiograph is called low or not by its predicted density.

Low density is *not normal* (T < -1) at the threshold -1, and at or below the threshold at every other one
(*osteoporosis*, T <= -2.5, at -2.5).  A prediction is low by the same rule.  Low is the positive class unless the
caller asks for the other one, and precision, recall and F1 are those of the positive class unless the caller asks for
an average over both (:mod:`xattn_bmd.metrics.two_by_two`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import NORMAL_EDGE, density_at, is_low_density
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.auprc import auprc
from xattn_bmd.metrics.auroc import auroc
from xattn_bmd.metrics.two_by_two import (
    RATES,
    Average,
    Positive,
    averaged_rates,
    confusion_terms,
    rates_from_counts,
    undefined_reasons,
)

SCREENING_METRICS = (*RATES, "auroc", "auprc", "brier")

ONLY_COUNTS = "only counts are known"
NO_RISK = "the probability of low density is not known"


@dataclass(frozen=True, kw_only=True)
class ScreeningResult:
    """How well the positive class is found; shares and areas in 0-1, NaN where undefined.

    Attributes:
        accuracy: share of radiographs called rightly.
        balanced_accuracy: mean of sensitivity and specificity.
        sensitivity: share of the positive ones called positive.
        specificity: share of the negative ones called negative.
        precision: share of those called positive that are positive, or its average over both classes.
        ppv: positive predictive value: precision of the positive class, whatever the average.
        npv: negative predictive value: share of those called negative that are negative.
        recall: the same as ``sensitivity``, or its average over both classes.
        f1: harmonic mean of precision and recall of the positive class, or its average over both classes.
        auroc: area under the ROC curve of the predicted density; NaN where only counts are known.
        auprc: average precision of the positive class, ranked by predicted density; NaN where only counts are known.
        brier: mean squared error of the probability of low density; NaN where that is not known.
        prevalence: share of positive radiographs.
        tp: positive and called positive.
        fn: positive and called negative.
        fp: negative and called positive.
        tn: negative and called negative.
        n: all four together.
        positive: the positive class in words.
        average: whether precision, recall and F1 are of the positive class or averaged over both.
        reference: name of the reference population; empty where only counts are known.
        reasons: why a metric is NaN, by name of the metric.
    """

    accuracy: float
    balanced_accuracy: float
    sensitivity: float
    specificity: float
    precision: float
    ppv: float
    npv: float
    recall: float
    f1: float
    auroc: float = float("nan")
    auprc: float = float("nan")
    brier: float = float("nan")
    prevalence: float
    tp: int
    fn: int
    fp: int
    tn: int
    n: int
    positive: str
    average: Average
    reference: str
    reasons: dict[str, str]


def screening(
    target: ArrayLike,
    prediction: ArrayLike,
    *,
    reference: Reference,
    threshold: float = NORMAL_EDGE,
    positive: Positive = "low",
    average: Average = "positive",
    risk: ArrayLike | None = None,
) -> ScreeningResult:
    """Return how well predicted densities find the radiographs of low density.

    Args:
        target: (N,) g/cm², on the device scale of ``reference``.
        prediction: (N,) g/cm².
        reference: the young-adult population of the T-scores.
        threshold: a T-score.
        positive: which class is to be found.
        average: whether precision, recall and F1 are of the positive class or averaged over both.
        risk: (N,) probability of low density (:mod:`xattn_bmd.metrics.risk`), for the Brier score.

    Raises:
        MetricError: if the shapes differ, a density is not finite or a probability is not in 0-1.
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
    sign, found = (-1.0, low) if positive == "low" else (1.0, ~low)
    counts = confusion_terms(found, called if positive == "low" else ~called).sum(axis=0)
    score = sign * np.asarray(prediction, dtype=np.float64)
    words = positive_class(reference=reference, threshold=threshold, positive=positive)
    result = _from_counts(counts, average=average, positive=positive, words=words, reference=reference.name)
    reasons = undefined_reasons(counts, average=average, positive=positive)
    brier = float("nan") if risk is None else _brier(low, np.asarray(risk, dtype=np.float64))
    return replace(
        result,
        auroc=auroc(found, score),
        auprc=auprc(found, score),
        brier=brier,
        reasons=reasons | ({"brier": NO_RISK} if np.isnan(brier) else {}),
    )


def screening_from_counts(
    *,
    tp: int,
    fn: int,
    fp: int,
    tn: int,
    average: Average = "positive",
    positive: str = "low density",
    reference: str = "",
) -> ScreeningResult:
    """Return the screening metrics of a two-by-two table; no areas, and no Brier score, as there are no scores.

    Args:
        tp: positive and called positive.
        fn: positive and called negative.
        fp: negative and called positive.
        tn: negative and called negative.
        average: whether precision, recall and F1 are of the positive class or averaged over both.
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
    counts = np.array([tp, fn, fp, tn], dtype=np.float64)
    return _from_counts(counts, average=average, positive="low", words=positive, reference=reference)


def low_density(density: ArrayLike, *, reference: Reference, threshold: float) -> NDArray[np.bool_]:
    """Return whether each density is low at a threshold of the reference population, in whose unit it is.

    Raises:
        ConfigError: if the threshold is not a finite number.
    """
    return is_low_density(density, reference=reference, threshold=threshold)


def positive_class(*, reference: Reference, threshold: float, positive: Positive = "low") -> str:
    """Return the positive class in words, with its density."""
    volumetric = reference.unit == "mg/cm3"
    low, other = ("<", ">=") if (threshold == NORMAL_EDGE) != volumetric else ("<=", ">")
    name, sign = ("low density", low) if positive == "low" else ("density that is not low", other)
    density = float(density_at(threshold, reference=reference))
    if volumetric:
        return f"{name}: {sign} {density:g} mg/cm³"
    return f"{name}: T {sign} {threshold:g} (density {sign} {density:.3f} g/cm²)"


def _from_counts(
    counts: NDArray[np.float64], *, average: Average, positive: Positive, words: str, reference: str
) -> ScreeningResult:
    every = rates_from_counts(counts) | averaged_rates(counts, average=average)
    rates = {name: float(rate) for name, rate in every.items()}
    tp, fn, fp, tn = (int(count) for count in counts)
    unknown = dict.fromkeys(("auroc", "auprc", "brier"), ONLY_COUNTS)
    return ScreeningResult(
        accuracy=rates["accuracy"],
        balanced_accuracy=rates["balanced_accuracy"],
        sensitivity=rates["sensitivity"],
        specificity=rates["specificity"],
        precision=rates["precision"],
        ppv=rates["ppv"],
        npv=rates["npv"],
        recall=rates["recall"],
        f1=rates["f1"],
        prevalence=rates["prevalence"],
        tp=tp,
        fn=fn,
        fp=fp,
        tn=tn,
        n=tp + fn + fp + tn,
        positive=words,
        average=average,
        reference=reference,
        reasons=unknown | undefined_reasons(counts, average=average, positive=positive),
    )


def _brier(low: NDArray[np.bool_], risk: NDArray[np.float64]) -> float:
    if risk.shape != low.shape or ((risk < 0) | (risk > 1)).any():
        raise MetricError(
            f"A risk is a probability in 0-1 for each of {low.shape[0]} radiographs, but shape {risk.shape} with "
            f"values from {np.min(risk, initial=np.inf):g} to {np.max(risk, initial=-np.inf):g} was given; mend it."
        )
    return float(np.mean((risk - low) ** 2)) if risk.size else float("nan")
