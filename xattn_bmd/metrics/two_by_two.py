"""Rates of a two-by-two table, for many tables at once, and why a rate is undefined.

A table is four counts in the order :data:`CELLS`: tp, fn, fp, tn of the positive class.  Precision, recall and F1 may
be those of the positive class alone or averaged over both classes, each class taken as the positive one in turn:

- ``positive``: the positive class alone;
- ``macro``: the plain mean of the two classes;
- ``weighted``: the mean weighted by how many radiographs each class has, so that recall is the accuracy.

Where scikit-learn puts 0 in place of an empty denominator (``zero_division``), the rate here is NaN, and so is an
average that needs it: a 0 would read as a measured failure.  A class without radiographs has no weight in ``weighted``,
and so takes no part there.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

CELLS = ("tp", "fn", "fp", "tn")
RATES = (
    *("accuracy", "balanced_accuracy", "sensitivity", "specificity", "precision", "ppv", "npv", "recall", "f1"),
    "prevalence",
)

NO_POSITIVE = "no radiograph is low"
NO_NEGATIVE = "every radiograph is low"
NO_CALL = "no radiograph is predicted low"
NO_OTHER_CALL = "every radiograph is predicted low"

Positive = Literal["low", "not_low"]
Average = Literal["positive", "macro", "weighted"]
AVERAGED_RATES = ("precision", "recall", "f1")
"""Rates that may be averaged over both classes."""


def confusion_terms(low: NDArray[np.bool_], called: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return what each radiograph adds to the counts, ``(..., 4)`` in the order :data:`CELLS`."""
    return np.stack([low & called, low & ~called, ~low & called, ~low & ~called], axis=-1).astype(np.float64)


def rates_from_counts(counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return every rate of :data:`RATES`, of the positive class, from counts.

    A rate whose denominator is empty is NaN; F1 is NaN where the positive class is absent, balanced accuracy where
    either class is.

    Args:
        counts: (..., 4) in the order :data:`CELLS`.

    Returns:
        (...) of each rate, in 0-1.

    Example:
        >>> rates = rates_from_counts(np.array([98.0, 33.0, 20.0, 82.0]))
        >>> round(float(rates["balanced_accuracy"]), 3), round(float(rates["npv"]), 3)
        (0.776, 0.713)
    """
    tp, fn, fp, tn = np.moveaxis(counts, -1, 0)
    total = tp + fn + fp + tn
    precision, sensitivity, f1 = _class_rates(tp, fn, fp)
    with np.errstate(divide="ignore", invalid="ignore"):
        specificity = tn / (tn + fp)
        return {
            "accuracy": (tp + tn) / total,
            "balanced_accuracy": 0.5 * (sensitivity + specificity),
            "sensitivity": sensitivity,
            "specificity": specificity,
            "precision": precision,
            "ppv": precision,
            "npv": tn / (tn + fn),
            "recall": sensitivity,
            "f1": f1,
            "prevalence": (tp + fn) / total,
        }


def averaged_rates(counts: NDArray[np.float64], *, average: Average) -> dict[str, NDArray[np.float64]]:
    """Return precision, recall and F1 averaged as the module says.

    Args:
        counts: (..., 4) in the order :data:`CELLS`.
        average: how.

    Returns:
        (...) of each rate of :data:`AVERAGED_RATES`.

    Example:
        >>> rates = averaged_rates(np.array([98.0, 33.0, 20.0, 82.0]), average="weighted")
        >>> {name: round(float(rate), 3) for name, rate in rates.items()}
        {'precision': 0.779, 'recall': 0.773, 'f1': 0.773}
    """
    tp, fn, fp, tn = np.moveaxis(counts, -1, 0)
    positive, negative = _class_rates(tp, fn, fp), _class_rates(tn, fp, fn)
    if average == "positive":
        return dict(zip(AVERAGED_RATES, positive, strict=True))
    total = tp + fn + fp + tn
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.full_like(total, 0.5) if average == "macro" else (tp + fn) / total
        accuracy = (tp + tn) / total
    both = [_mean(one, other, share) for one, other in zip(positive, negative, strict=True)]
    averaged = dict(zip(AVERAGED_RATES, both, strict=True))
    # The same number, without the rounding that would part it from the accuracy's interval.
    return averaged | ({"recall": accuracy} if average == "weighted" else {})


def undefined_reasons(
    counts: NDArray[np.float64], *, average: Average = "positive", positive: Positive = "low"
) -> dict[str, str]:
    """Return, for each rate or area of one table that cannot be computed, why.

    Args:
        counts: (4,) in the order :data:`CELLS`.
        average: how precision, recall and F1 are averaged.
        positive: the class that the counts take as positive.

    Example:
        >>> undefined_reasons(np.array([0.0, 0.0, 2.0, 3.0]))["recall"]
        'no radiograph is low'
    """
    tp, fn, fp, tn = (float(count) for count in counts)
    causes = (NO_POSITIVE, NO_NEGATIVE, NO_CALL, NO_OTHER_CALL)
    if positive == "not_low":
        causes = (NO_NEGATIVE, NO_POSITIVE, NO_OTHER_CALL, NO_CALL)
    empty = (tp + fn == 0, fp + tn == 0, tp + fp == 0, tn + fn == 0)
    absent, everywhere, never, always = ([cause] if true else [] for cause, true in zip(causes, empty, strict=True))
    # In `weighted` a class without radiographs weighs nothing, and its calls with it.
    weighing = ([] if absent else never) + ([] if everywhere else always)
    calls = {"positive": never, "macro": never + always, "weighted": weighing}[average]
    classes = {"positive": absent, "macro": absent + everywhere, "weighted": []}[average]
    reasons = {
        "balanced_accuracy": absent + everywhere,
        "sensitivity": absent,
        "specificity": everywhere,
        "precision": calls,
        "ppv": never,
        "npv": always,
        "recall": classes,
        "f1": classes,
        "auroc": absent + everywhere,
        "auprc": absent,
    }
    return {rate: why[0] for rate, why in reasons.items() if why}


def _class_rates(
    tp: NDArray[np.float64], fn: NDArray[np.float64], fp: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = tp / (tp + fn)
        return tp / (tp + fp), recall, np.where(np.isnan(recall), np.nan, 2.0 * tp / (2.0 * tp + fp + fn))


def _mean(
    positive: NDArray[np.float64], negative: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    # A share of 0 drops its class even where the rate is NaN, which 0 * NaN would not.
    mean = np.where(share > 0, share * positive, 0.0) + np.where(share < 1, (1.0 - share) * negative, 0.0)
    return np.where(np.isnan(share), np.nan, mean)
