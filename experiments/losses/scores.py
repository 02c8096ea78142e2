"""What is said of each loss: errors overall and in the tail, and how well the tail is found."""

from __future__ import annotations

import numpy as np
import pandas as pd

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import OSTEOPOROSIS_EDGE, is_low, t_score
from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.tables.comparisons import comparisons_table
from xattn_bmd.metrics.tables.layout import POOLED
from xattn_bmd.metrics.tables.regression import metrics_table
from xattn_bmd.metrics.tables.screening import screening_table
from xattn_bmd.metrics.tables.subgroups import subgroups_table

CELLS = ["model", "metric", "value", "low", "high", "radiographs"]
TAIL, REST = "tail", "rest"


def scored(predictions: pd.DataFrame, reference: Reference, *, base: str, seed: int) -> pd.DataFrame:
    """Return every figure of every arm, with :data:`CELLS`; ``radiographs`` says on how many it rests.

    The tail is measured T <= -2.5: ``mae_tail`` and ``bias_tail`` (prediction - target) are over those radiographs,
    ``..._rest`` over the others, ``auroc``, ``sensitivity`` and ``specificity`` are of finding the tail, and
    ``mae_change`` and ``mae_tail_change`` are differences from the base arm, with the paired interval.

    Args:
        predictions: out-of-fold predictions of all arms, the arm as the model.
        reference: the young-adult population of the T-scores.
        base: the arm that the others are compared with.
        seed: of the bootstrap.
    """
    low = is_low(t_score(predictions["target"].to_numpy(), reference=reference), threshold=OSTEOPOROSIS_EDGE)
    parts = [
        _overall(predictions, seed),
        _by_part(predictions, reference, seed),
        _found(predictions, reference, seed),
        _change(predictions, base, seed, "mae_change"),
        _change(predictions[low], base, seed, "mae_tail_change"),
    ]
    return pd.concat(parts, ignore_index=True)[CELLS]


def _overall(predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    table = metrics_table(predictions, seed=seed).rename(columns={"n": "radiographs"})
    return table[table["metric"].isin(("mae", "r2")) & (table["method"] == POOLED)]


def _by_part(predictions: pd.DataFrame, reference: Reference, seed: int) -> pd.DataFrame:
    grid = prediction_grid(predictions)
    low = is_low(t_score(grid.target, reference=reference), threshold=OSTEOPOROSIS_EDGE)
    groups = {"measured": np.where(low, TAIL, REST)}
    table = subgroups_table(predictions, reference, groups=groups, seed=seed).rename(columns={"n": "radiographs"})
    table = table[table["metric"].isin(("mae", "bias"))]
    return table.assign(metric=table["metric"] + "_" + table["group"])


def _found(predictions: pd.DataFrame, reference: Reference, seed: int) -> pd.DataFrame:
    table = screening_table(predictions, reference, thresholds=[OSTEOPOROSIS_EDGE], seed=seed)
    wanted = table["metric"].isin(("auroc", "sensitivity", "specificity"))
    return table[wanted & table["average"].isin(("", "positive"))].rename(columns={"n": "radiographs"})


def _change(predictions: pd.DataFrame, base: str, seed: int, name: str) -> pd.DataFrame:
    if predictions.empty:
        return pd.DataFrame(columns=CELLS)
    table = comparisons_table(predictions, against=base, seed=seed)
    table = table[(table["metric"] == "mae") & (table["test"] == PAIRED_BOOTSTRAP)]
    return table.rename(columns={"model_a": "model", "difference": "value", "n": "radiographs"}).assign(metric=name)
