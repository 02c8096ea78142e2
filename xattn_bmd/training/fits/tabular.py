"""Baselines on the clinical record alone: ridge regression and boosted trees, stored as plain arrays.

Both choose their one hyper-parameter inside the training part (grouped by patient) and are then fitted on all of it;
under the protocol ``paper`` the choice is made on the scored fold, as for the networks' checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Arrays = dict[str, Array]
RIDGE_STRENGTHS = tuple(float(value) for value in np.logspace(-1, 4, 16))
TREE_COUNTS = (10, 20, 40, 60, 80, 120, 160, 240, 320)
_TREE_DEPTH, _TREE_RATE, _TREE_SUBSAMPLE, _TREE_LEAF = 2, 0.05, 0.7, 8


@dataclass(frozen=True)
class TabularData:
    """Design matrices of one fold.

    Attributes:
        train: ``(N, K)`` design matrix of the rows to fit on.
        target: ``(N,)`` density, g/cm².
        patients: ``(N,)`` patient of each row.
        choose_on: ``(x (M, K), y (M,))`` to choose the hyper-parameter on, or None for grouped inner folds.
        seed: seed of the trees.
    """

    train: Array
    target: Array
    patients: Sequence[str]
    choose_on: tuple[Array, Array] | None
    seed: int


@dataclass(frozen=True)
class TabularModel:
    """One kind of baseline.

    Attributes:
        choices: hyper-parameter values that are tried.
        fit: ``(x, y, values, seed) -> arrays of each value``; the arrays are all that is stored.
        predict: ``(arrays, x (M, K)) -> (M,)`` density in g/cm².
    """

    choices: tuple[float, ...]
    fit: Callable[[Array, Array, Sequence[float], int], list[Arrays]]
    predict: Callable[[Arrays, Array], Array]


def fit_tabular(name: str, data: TabularData) -> tuple[Arrays, float]:
    """Choose the hyper-parameter, fit on all rows, and return the stored arrays with the chosen value.

    Args:
        name: ``"ridge"`` or ``"boosted_trees"``.
        data: the fold's design matrices.
    """
    model = TABULAR[name]
    chosen = model.choices[int(np.argmin(_choice_losses(model, data)))]
    return refit_tabular(name, data, chosen=chosen), chosen


def refit_tabular(name: str, data: TabularData, *, chosen: float) -> Arrays:
    """Fit once more with a hyper-parameter that was chosen before.

    Args:
        name: ``"ridge"`` or ``"boosted_trees"``.
        data: the rows to fit on.
        chosen: from :func:`fit_tabular`.
    """
    return TABULAR[name].fit(data.train, data.target, [chosen], data.seed)[0]


def _choice_losses(model: TabularModel, data: TabularData) -> Array:
    """Return the mean squared error of every choice, on the given rows or over grouped inner folds."""
    if data.choose_on is not None:
        x, y = data.choose_on
        return np.asarray(_squared(model, data.train, data.target, x, y, data.seed).mean(axis=1))
    squared = np.zeros((len(model.choices), len(data.target)))
    for inside, outside in _inner_folds(data.patients):
        fitted_on = data.train[inside], data.target[inside]
        squared[:, outside] = _squared(model, *fitted_on, data.train[outside], data.target[outside], data.seed)
    return np.asarray(squared.mean(axis=1))


def _squared(model: TabularModel, x: Array, y: Array, other_x: Array, other_y: Array, seed: int) -> Array:
    each = model.fit(x, y, model.choices, seed)
    squared: Array = np.stack([model.predict(arrays, other_x) - other_y for arrays in each]) ** 2
    return squared


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

    fitted = GradientBoostingRegressor(
        n_estimators=int(max(counts)),
        learning_rate=_TREE_RATE,
        max_depth=_TREE_DEPTH,
        subsample=_TREE_SUBSAMPLE,
        min_samples_leaf=_TREE_LEAF,
        random_state=seed,
    ).fit(x, y)
    trees = [tree.tree_ for tree in fitted.estimators_[:, 0]]
    grown = {
        "feature": _stacked([tree.feature for tree in trees]),
        "threshold": _stacked([tree.threshold for tree in trees]),
        "left": _stacked([tree.children_left for tree in trees]),
        "right": _stacked([tree.children_right for tree in trees]),
        "value": _stacked([_TREE_RATE * tree.value[:, 0, 0] for tree in trees]),
    }
    start = {"start": np.array([float(np.mean(y))])}
    return [start | {name: array[: int(count)] for name, array in grown.items()} for count in counts]


def _stacked(rows: list[Array]) -> Array:
    width = max(len(row) for row in rows)
    return np.array([np.pad(row.astype(np.float64), (0, width - len(row)), constant_values=-1) for row in rows])


def _predict_trees(arrays: dict[str, Array], x: Array) -> Array:
    """Walk every tree; scikit-learn compares features as float32, so the same is done here."""
    single = x.astype(np.float32)
    total = np.full(len(x), arrays["start"][0])
    for tree in range(len(arrays["feature"])):
        node = np.zeros(len(x), dtype=np.intp)
        for _ in range(_TREE_DEPTH):
            feature = arrays["feature"][tree, node].astype(np.intp)
            inner = arrays["left"][tree, node] >= 0
            goes_left = single[np.arange(len(x)), np.maximum(feature, 0)] <= arrays["threshold"][tree, node]
            child = np.where(goes_left, arrays["left"][tree, node], arrays["right"][tree, node]).astype(np.intp)
            node = np.where(inner, child, node)
        total += arrays["value"][tree, node]
    return total


TABULAR: dict[str, TabularModel] = {
    "ridge": TabularModel(choices=RIDGE_STRENGTHS, fit=_fit_ridge, predict=_predict_ridge),
    "boosted_trees": TabularModel(
        choices=tuple(float(count) for count in TREE_COUNTS), fit=_fit_trees, predict=_predict_trees
    ),
}
