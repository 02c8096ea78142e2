"""Baselines on the clinical record alone: ridge regression and boosted trees, stored as plain arrays.

Both choose their one hyper-parameter inside the training part (grouped by patient) and are then fitted on all of it;
under the protocol ``paper`` the choice is made on the scored fold, as for the networks' checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.training.fits.class_tabular import class_tabular
from xattn_bmd.training.fits.tabular_model import Array, Arrays, TabularData, TabularModel
from xattn_bmd.training.fits.trees import TREE_COUNTS, own_settings, stored_trees, summed_trees, tree_settings

RIDGE_STRENGTHS = tuple(float(value) for value in np.logspace(-1, 4, 16))


def tabular_model(name: str, *, classes: int) -> TabularModel:
    """Return a baseline.

    Args:
        name: ``"ridge"`` or ``"boosted_trees"``.
        classes: number of classes; 0 for a density.
    """
    return class_tabular(name, classes, RIDGE_STRENGTHS) if classes else TABULAR[name]


def fit_tabular(name: str, data: TabularData) -> tuple[Arrays, float]:
    """Choose the hyper-parameter, fit on all rows, and return the stored arrays with the chosen value.

    Args:
        name: ``"ridge"`` or ``"boosted_trees"``.
        data: the fold's design matrices.
    """
    model = tabular_model(name, classes=data.classes)
    chosen = model.choices[int(np.argmin(_choice_losses(model, data)))]
    return refit_tabular(name, data, chosen=chosen), chosen


def refit_tabular(name: str, data: TabularData, *, chosen: float) -> Arrays:
    """Fit once more with a hyper-parameter that was chosen before.

    Args:
        name: ``"ridge"`` or ``"boosted_trees"``.
        data: the rows to fit on.
        chosen: from :func:`fit_tabular`.
    """
    return tabular_model(name, classes=data.classes).fit(data.train, data.target, [chosen], data.seed)[0]


def _choice_losses(model: TabularModel, data: TabularData) -> Array:
    """Return the mean loss of every choice, on the given rows or over grouped inner folds."""
    if data.choose_on is not None:
        x, y = data.choose_on
        return np.asarray(_losses(model, data.train, data.target, x, y, data.seed).mean(axis=1))
    losses = np.zeros((len(model.choices), len(data.target)))
    for inside, outside in _inner_folds(data.patients):
        fitted_on = data.train[inside], data.target[inside]
        losses[:, outside] = _losses(model, *fitted_on, data.train[outside], data.target[outside], data.seed)
    return np.asarray(losses.mean(axis=1))


def _losses(model: TabularModel, x: Array, y: Array, other_x: Array, other_y: Array, seed: int) -> Array:
    each = model.fit(x, y, model.choices, seed)
    return np.stack([model.loss(model.predict(arrays, other_x), other_y) for arrays in each])


def _inner_folds(patients: Sequence[str]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    from sklearn.model_selection import GroupKFold

    count = min(5, len(set(patients)))
    return list(GroupKFold(n_splits=count).split(np.zeros((len(patients), 1)), groups=list(patients)))


def _fit_ridge(x: Array, y: Array, strengths: Sequence[float], seed: int) -> list[Arrays]:
    from sklearn.linear_model import Ridge

    each = [Ridge(alpha=strength).fit(x, y) for strength in strengths]
    return [{"coefficients": np.asarray(one.coef_), "intercept": np.array([one.intercept_])} for one in each]


def _predict_ridge(arrays: dict[str, Array], x: Array) -> Array:
    return np.asarray(x @ arrays["coefficients"] + arrays["intercept"][0])


def _fit_trees(x: Array, y: Array, counts: Sequence[float], seed: int) -> list[Arrays]:
    """Boost once to the largest count: its first trees are those of every smaller count."""
    from sklearn.ensemble import GradientBoostingRegressor

    with own_settings():
        fitted = GradientBoostingRegressor(**tree_settings(list(counts), seed=seed)).fit(x, y)
    grown = stored_trees(fitted.estimators_[:, 0])
    start = {"start": np.array([float(np.mean(y))])}
    return [start | {name: array[: int(count)] for name, array in grown.items()} for count in counts]


def _predict_trees(arrays: Arrays, x: Array) -> Array:
    return summed_trees(arrays, x, start=float(arrays["start"][0]))


def _squared_error(predicted: Array, target: Array) -> Array:
    return np.asarray((predicted - target) ** 2)


TABULAR: dict[str, TabularModel] = {
    "ridge": TabularModel(choices=RIDGE_STRENGTHS, fit=_fit_ridge, predict=_predict_ridge, loss=_squared_error),
    "boosted_trees": TabularModel(
        choices=tuple(map(float, TREE_COUNTS)), fit=_fit_trees, predict=_predict_trees, loss=_squared_error
    ),
}
"""The baselines of a density; those of classes have the same names."""
