"""Boosted trees as plain arrays, and a walk through them that gives what scikit-learn gives."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.training.fits.tabular_model import Array, Arrays

TREE_COUNTS = (10, 20, 40, 60, 80, 120, 160, 240, 320)
TREE_DEPTH, TREE_RATE, TREE_SUBSAMPLE, TREE_LEAF = 2, 0.05, 0.7, 8


def tree_settings(counts: Array | list[float], *, seed: int) -> dict[str, Any]:
    """Return what scikit-learn's gradient boosting is told: the same for a density and for classes.

    Args:
        counts: numbers of trees that are tried; it is boosted once to the largest.
        seed: seed of the subsamples.
    """
    return {
        "n_estimators": int(max(counts)),
        "learning_rate": TREE_RATE,
        "max_depth": TREE_DEPTH,
        "subsample": TREE_SUBSAMPLE,
        "min_samples_leaf": TREE_LEAF,
        "random_state": seed,
    }


def own_settings() -> AbstractContextManager[None]:
    """Return a block in which scikit-learn takes the settings of every single tree as it finds them.

    They are those of :func:`tree_settings`, the same for each of hundreds of small trees: to check them again and again
    takes longer than to grow some of these.
    """
    from sklearn import config_context

    block: AbstractContextManager[None] = config_context(skip_parameter_validation=True)
    return block


def stored_trees(trees: NDArray[Any], prefix: str = "") -> Arrays:
    """Return fitted trees, one a row, as arrays.

    Args:
        trees: ``(T,)`` scikit-learn's regression trees, in the order in which they were grown.
        prefix: what the names of the arrays begin with.
    """
    grown = [tree.tree_ for tree in trees]
    return {
        f"{prefix}feature": _stacked([tree.feature for tree in grown]),
        f"{prefix}threshold": _stacked([tree.threshold for tree in grown]),
        f"{prefix}left": _stacked([tree.children_left for tree in grown]),
        f"{prefix}right": _stacked([tree.children_right for tree in grown]),
        f"{prefix}value": _stacked([TREE_RATE * tree.value[:, 0, 0] for tree in grown]),
    }


def _stacked(rows: list[Array]) -> Array:
    stacked = np.full((len(rows), max(len(row) for row in rows)), -1.0)
    for place, row in zip(stacked, rows, strict=True):
        place[: len(row)] = row
    return stacked


def summed_trees(arrays: Arrays, x: Array, *, start: float, prefix: str = "") -> Array:
    """Walk all trees at once and add up; scikit-learn compares features as float32, so the same is done here.

    Args:
        arrays: from :func:`stored_trees`.
        x: ``(M, K)`` design matrix.
        start: what the sum begins with.
        prefix: as there.

    Returns:
        ``(M,)``.
    """
    feature, threshold, left, right, value = (
        arrays[prefix + name] for name in ("feature", "threshold", "left", "right", "value")
    )
    tree, row = np.arange(len(feature))[:, None], np.arange(len(x))
    single = x.astype(np.float32)
    node = np.zeros((len(feature), len(x)), dtype=np.intp)
    for _ in range(TREE_DEPTH):
        column = np.maximum(feature[tree, node], 0).astype(np.intp)
        goes_left = single[row, column] <= threshold[tree, node]
        child = np.where(goes_left, left[tree, node], right[tree, node]).astype(np.intp)
        node = np.where(left[tree, node] >= 0, child, node)
    steps = np.vstack([np.full((1, len(x)), start), value[tree, node]])
    return np.asarray(np.add.accumulate(steps)[-1])  # tree by tree: another order would round otherwise
