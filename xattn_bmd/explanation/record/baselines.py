"""Contributions to the scikit-learn baselines, by shap's own explainers of linear models and of trees.

shap explains the columns of the design matrix; a variable's contribution is the sum over its columns (its number or its
categories, and whether it is missing).  For a linear model that is exactly the Shapley value of the variable, and for
the boosted trees too: at depth 2 no tree joins three columns, and halves of an interaction within a variable add up.

Axes: ``Q`` pairs, ``N`` radiographs, ``M`` people, ``V`` clinical variables, ``K`` columns of the design matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.explanation.record.pairs import Pairs, Played, Values
from xattn_bmd.explanation.record.readers import TabularReader
from xattn_bmd.training.fits.estimator import Estimator


def play_baseline(reader: TabularReader, pairs: Pairs) -> Played:
    """Return the values of each pair; the picture plays no part.

    Args:
        reader: a fold of ``ridge`` or ``boosted_trees``.
        pairs: radiographs and people.
    """
    columns_NK = _seen(reader, pairs.rows)
    each_MNK = [
        _against(reader.estimator, columns_NK, _seen(reader, pairs.people[[m]])) for m in range(pairs.people.size)
    ]
    values_QK = np.stack(each_MNK, axis=1).reshape(len(pairs.differs_QV), -1)
    belongs_KV = reader.variable_K[:, None] == np.arange(pairs.variables)
    values_QV = np.where(pairs.differs_QV, values_QK @ belongs_KV, 0.0)
    return Played(values_QV, values_QV)


def _seen(reader: TabularReader, rows: NDArray[np.int64]) -> Values:
    """Return the columns as the model reads them: its trees compare them in single precision."""
    columns = reader.design_RK[rows]
    return columns if reader.estimator.model == "ridge" else columns.astype(np.float32).astype(np.float64)


def _against(estimator: Estimator, columns_NK: Values, other_1K: Values) -> Values:
    """Return shap's values ``(N, K)`` against one person."""
    import shap

    if estimator.model == "ridge":
        arrays = estimator.tensors
        model = (arrays["coefficients"], float(arrays["intercept"][0]))
        linear = shap.LinearExplainer(model, shap.maskers.Independent(other_1K))
        return np.asarray(linear.shap_values(columns_NK), dtype=np.float64)
    trees = shap.TreeExplainer(
        tree_model(estimator.tensors), data=other_1K, feature_perturbation="interventional", model_output="raw"
    )
    return np.asarray(trees.shap_values(columns_NK, check_additivity=False), dtype=np.float64)


def tree_model(arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Return boosted trees in the form that ``shap.TreeExplainer`` takes.

    Args:
        arrays: as :mod:`xattn_bmd.training.fits.tabular` stores them.
    """
    return {
        "trees": [_tree(arrays, number) for number in range(len(arrays["feature"]))],
        "base_offset": float(arrays["start"][0]),
        "tree_output": "raw_value",
    }


def _tree(arrays: dict[str, NDArray[Any]], number: int) -> dict[str, NDArray[Any]]:
    nodes = {name: arrays[name][number] for name in ("left", "right", "feature", "threshold", "value")}
    left, right, feature = (nodes[name].astype(np.int32) for name in ("left", "right", "feature"))
    leaf = left < 0
    return {
        "children_left": left,
        "children_right": right,
        "children_default": left,
        "features": np.where(leaf, -2, feature).astype(np.int32),
        "thresholds": nodes["threshold"],
        "values": nodes["value"][:, None],
        "node_sample_weight": np.ones(len(left)),
    }
