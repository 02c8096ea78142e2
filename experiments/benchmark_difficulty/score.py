"""Out-of-fold ridge, and 95 % intervals from draws of patients."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xattn_bmd.metrics.intervals import patient_bootstrap, percentile_interval

FOLDS = 10


class Scored(NamedTuple):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def scored(statistic: Callable[[NDArray[np.float64]], float], patients: ArrayLike, *, draws: int) -> Scored:
    """Return a statistic of weighted radiographs with its interval.

    Args:
        statistic: weights ``(N,)`` -> figure.
        patients: ``(N,)`` patient of each radiograph.
        draws: bootstrap draws of patients.
    """
    counts = patient_bootstrap(patients, seed=0, replicates=draws)
    replicates = [statistic(weights.astype(np.float64)) for weights in counts]
    return Scored(statistic(np.ones(counts.shape[1])), *percentile_interval(replicates))


def compared(
    metric: Callable[..., float], target: ArrayLike, prediction: ArrayLike, patients: ArrayLike, *, draws: int
) -> Scored:
    """Return a metric of ``(target, prediction, weights=)`` with its interval."""
    return scored(lambda weights: metric(target, prediction, weights=weights), patients, draws=draws)


def out_of_fold(
    features: object, *, first: BaseEstimator | None, target: ArrayLike, patients: ArrayLike
) -> NDArray[np.float64]:
    """Return the out-of-fold predictions ``(N,)`` of ridge regression, patients never split.

    Args:
        features: ``(N, K)`` table or array.
        first: transformer fitted before scaling on each training part, or None.
        target: ``(N,)`` g/cm².
        patients: ``(N,)`` patient of each radiograph.
    """
    steps = [step for step in (first, StandardScaler(), RidgeCV(np.logspace(-2, 4, 13))) if step is not None]
    folds = GroupKFold(FOLDS).split(np.zeros(len(np.asarray(target))), groups=patients)
    return np.asarray(cross_val_predict(make_pipeline(*steps), features, target, cv=list(folds)))
