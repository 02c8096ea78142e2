"""Error, bias, sensitivity and specificity of every model in every group of patients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import NORMAL_EDGE
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.groups import Groups, group_names
from xattn_bmd.metrics.intervals import REPLICATES, Draws, Resampled, patient_draws, split_draws
from xattn_bmd.metrics.pooled import drawn_sums
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.screening import low_density
from xattn_bmd.metrics.tables.layout import INTERVAL_COLUMNS, NAN, frame, interval_reason, valued, without_interval
from xattn_bmd.metrics.two_by_two import NO_NEGATIVE, NO_POSITIVE, confusion_terms

if TYPE_CHECKING:
    import pandas as pd

SUBGROUPS_COLUMNS = ("model", "variable", "group", "metric", *INTERVAL_COLUMNS, "n", "patients", "reason")
SUBGROUP_METRICS = ("mae", "bias", "sensitivity", "specificity")
FEWEST_PATIENTS = 10
TOO_FEW = f"fewer than {FEWEST_PATIENTS} patients: named, not scored"

_ABSENT = {"sensitivity": NO_POSITIVE, "specificity": NO_NEGATIVE}


def subgroups_table(
    predictions: pd.DataFrame,
    reference: Reference,
    *,
    groups: Groups,
    threshold: float = NORMAL_EDGE,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return the metrics of every model in every group.

    ``bias`` is the mean of prediction - target, g/cm²; sensitivity and specificity are those of low density at
    ``threshold``.  All patients are drawn together, so a group's size varies between the draws as it would between
    studies.  Groups with fewer than 10 patients are named without a value.

    Args:
        predictions: a predictions table.
        reference: the young-adult population of the T-scores.
        groups: group of each radiograph, in the order of the sorted ids; from
            :func:`xattn_bmd.metrics.groups.groups_from_record`.
        threshold: T-score below which density is low.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, variable, group, metric) with :data:`SUBGROUPS_COLUMNS`.

    Raises:
        MetricError: if the table cannot be scored, or a variable has not one group per radiograph.
    """
    grid = prediction_grid(predictions)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    rows = [
        row
        for variable, labels in groups.items()
        for group, inside in _members(grid, variable, labels).items()
        for model in grid.predictions
        for row in _rows(grid, model, inside, draws, reference, threshold, {"variable": variable, "group": group})
    ]
    return frame(rows, SUBGROUPS_COLUMNS)


def _members(grid: PredictionGrid, variable: str, labels: NDArray[np.str_]) -> dict[str, NDArray[np.bool_]]:
    if len(labels) != len(grid.target):
        raise MetricError(
            f"A group is given for each radiograph, but {variable} has {len(labels)} for {len(grid.target)}; pair them."
        )
    return {name: labels == name for name in group_names(labels)}


def _rows(
    grid: PredictionGrid,
    model: str,
    inside: NDArray[np.bool_],
    draws: Draws,
    reference: Reference,
    threshold: float,
    named: dict[str, str],
) -> Iterator[dict[str, Any]]:
    patients = len(np.unique(grid.patients[inside]))
    shared = {"model": model, "n": int(inside.sum()), "patients": patients, **named}
    if patients < FEWEST_PATIENTS:
        for metric in SUBGROUP_METRICS:
            yield shared | without_interval(NAN) | {"metric": metric, "reason": TOO_FEW}
        return
    for metric, statistic in _statistics(grid, model, inside, draws, reference, threshold).items():
        absent = _ABSENT.get(metric, "") if np.isnan(statistic.value) else ""
        yield shared | valued(statistic) | {"metric": metric, "reason": absent or interval_reason(statistic)}


def _statistics(
    grid: PredictionGrid,
    model: str,
    inside: NDArray[np.bool_],
    draws: Draws,
    reference: Reference,
    threshold: float,
) -> dict[str, Resampled]:
    prediction = grid.predictions[model]
    error = (prediction - grid.target).mean(axis=0)
    absolute = np.abs(prediction - grid.target).mean(axis=0)
    low = low_density(grid.target, reference=reference, threshold=threshold)
    called = low_density(prediction, reference=reference, threshold=threshold)
    cells = confusion_terms(np.broadcast_to(low, called.shape), called).mean(axis=0)
    terms = np.column_stack([np.ones(len(error)), error, absolute, cells]) * inside[:, None]
    count, bias, mae, tp, fn, fp, tn = drawn_sums(grid, terms, draws).T
    with np.errstate(divide="ignore", invalid="ignore"):
        values = {
            "mae": mae / count,
            "bias": bias / count,
            "sensitivity": tp / (tp + fn),
            "specificity": tn / (tn + fp),
        }
    return {name: split_draws(each, draws) for name, each in values.items()}
