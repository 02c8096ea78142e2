"""Baselines on the clinical record for classes: penalised logistic regression and boosted trees, as plain arrays.

They carry the names of their twins for a density: ``ridge`` is the same quadratic penalty with the same strengths,
``boosted_trees`` the same trees.  Their hyper-parameter is the one of the smallest log loss.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from xattn_bmd.training.fits.tabular_model import Array, Arrays, TabularModel
from xattn_bmd.training.fits.trees import TREE_COUNTS, own_settings, stored_trees, summed_trees, tree_settings

LOGISTIC_STEPS = 1000
LEAST_CHANCE = 1e-12
"""Probability below which the log loss does not grow: a class that an inner part lacks is not infinitely bad."""


@lru_cache(maxsize=8)
def class_tabular(name: str, classes: int, strengths: tuple[float, ...]) -> TabularModel:
    """Return the baseline of some classes.

    Args:
        name: ``"ridge"`` or ``"boosted_trees"``.
        classes: number ``C`` of classes.
        strengths: penalties of ``ridge`` that are tried.
    """
    fit = {"ridge": _fit_logistic, "boosted_trees": _fit_trees}[name]
    predict: Callable[[Arrays, Array], Array] = {"ridge": _predict_logistic, "boosted_trees": _predict_trees}[name]
    return TabularModel(
        choices=strengths if name == "ridge" else tuple(map(float, TREE_COUNTS)),
        fit=lambda x, y, values, seed: fit(x, y, values, seed, classes),
        predict=predict,
        loss=log_loss,
    )


def log_loss(probabilities: Array, target: Array) -> Array:
    """Return the ``(M,)`` negative logarithm of the probability ``(M, C)`` of each row's class ``(M,)``."""
    own = np.take_along_axis(probabilities, target.astype(np.intp)[:, None], axis=1)[:, 0]
    return np.asarray(-np.log(np.maximum(own, LEAST_CHANCE)))


def _softmax(raw: Array) -> Array:
    shifted = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _fit_logistic(x: Array, y: Array, strengths: Sequence[float], seed: int, classes: int) -> list[Arrays]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    met = np.unique(y).astype(np.intp)
    each = []
    for strength in strengths:
        # a class that the rows lack has chance 0
        weights, offsets = np.zeros((classes, x.shape[1])), np.full(classes, -np.inf)
        offsets[met] = 0.0
        if len(met) > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                fitted = LogisticRegression(C=1.0 / strength, max_iter=LOGISTIC_STEPS).fit(x, y)
            # of two classes scikit-learn fits the second alone
            rows = met[-1:] if len(met) == 2 else met
            weights[rows], offsets[rows] = fitted.coef_, fitted.intercept_
        each.append({"coefficients": weights, "intercept": offsets})
    return each


def _predict_logistic(arrays: Arrays, x: Array) -> Array:
    return _softmax(x @ arrays["coefficients"].T + arrays["intercept"])


def _fit_trees(x: Array, y: Array, counts: Sequence[float], seed: int, classes: int) -> list[Arrays]:
    """Boost once to the largest count: its first trees are those of every smaller count."""
    from sklearn.ensemble import GradientBoostingClassifier

    with np.errstate(divide="ignore"):
        start = np.log(np.bincount(y.astype(np.intp), minlength=classes) / len(y))
    met = np.flatnonzero(np.isfinite(start))
    grown: Arrays = {}
    if len(met) > 1:
        with own_settings():
            fitted = GradientBoostingClassifier(**tree_settings(list(counts), seed=seed)).fit(x, y)
        # of two classes scikit-learn grows trees for the second alone
        for column, code in enumerate(met[-1:] if len(met) == 2 else met):
            grown |= stored_trees(fitted.estimators_[:, column], prefix=f"{code}.")
    return [{"start": start} | {name: array[: int(count)] for name, array in grown.items()} for count in counts]


def _predict_trees(arrays: Arrays, x: Array) -> Array:
    columns = [
        summed_trees(arrays, x, start=float(start), prefix=f"{code}.")
        if f"{code}.feature" in arrays
        else np.full(len(x), start)
        for code, start in enumerate(arrays["start"])
    ]
    return _softmax(np.stack(columns, axis=1))
