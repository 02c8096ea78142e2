"""The table of class predictions: refuse what cannot be scored, and lay it out as arrays.

It is a predictions table whose ``target`` (and ``prediction``) names a class, with a column ``probability_CLASS`` for
each class.  A row may be a crop, one vertebra of several of a patient: ``radiograph_id`` is the id of the crop then.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.metrics.class_checks import (
    named_classes,
    probability_columns,
    require_known_classes,
    require_probabilities,
)
from xattn_bmd.metrics.prediction_checks import (
    IDS,
    require_complete,
    require_filled,
    require_no_leak,
    require_one_plan,
    require_one_radiograph_each,
    require_unique_rows,
    whole_numbers,
)
from xattn_bmd.metrics.prediction_columns import require_columns
from xattn_bmd.metrics.prediction_files import read_text_table

if TYPE_CHECKING:
    import pandas as pd

CLASS_PREDICTION_COLUMNS = ("radiograph_id", "patient_id", "model", "repeat", "fold", "target")
"""Columns that every table of class predictions has, beside the probabilities."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassGrid:
    """A valid table of class predictions as arrays; radiographs are in the order of their ids.

    Attributes:
        patients: (N,) int, patient of each radiograph, from 0.
        classes: (K,) names.
        target: (N,) int, place of each radiograph's class in ``classes``.
        predictions: (repeats, N) int of each model, models in the order in which the table names them.
        probabilities: (repeats, N, K) float of each model.
    """

    patients: NDArray[np.int64]
    classes: tuple[str, ...]
    target: NDArray[np.int64]
    predictions: dict[str, NDArray[np.int64]]
    probabilities: dict[str, NDArray[np.float64]]

    @property
    def n_patients(self) -> int:
        """Number of different patients."""
        return int(self.patients.max()) + 1


def read_class_predictions(path: Path | str | io.StringIO, *, classes: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the valid table of class predictions stored in a CSV file; arguments as below.

    Args:
        path: the file, or its text in memory.
        classes: all classes in their order; None takes those of the probability columns.

    Raises:
        MetricError: if the file cannot be read as CSV, or :func:`validate_class_predictions` refuses its table.
    """
    return validate_class_predictions(read_text_table(path, what="predictions table"), classes=classes)


def validate_class_predictions(table: pd.DataFrame, *, classes: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a copy of a table with text ids and float probabilities, or say why it cannot be scored.

    Args:
        table: one row per (radiograph, model, repeat) with :data:`CLASS_PREDICTION_COLUMNS` and ``probability_CLASS``
            of every class; further columns are kept.  Without ``prediction``, the class of the highest probability is
            predicted (the first of several as high).
        classes: all classes in their order; None takes those of the probability columns, in theirs.

    Raises:
        MetricError: if a column is missing, a value is empty or duplicated, a class is unknown, probabilities are not
            in 0-1 or do not add up to 1, a radiograph has two targets, patients or folds, a model lacks rows, or a
            patient lies in two folds of one repeat.
    """
    names = named_classes(table, classes)
    require_columns(table, CLASS_PREDICTION_COLUMNS)
    checked = table.reset_index(drop=True)
    require_filled(checked)
    checked = checked.assign(**{name: checked[name].astype(str) for name in IDS})
    checked = checked.assign(**{name: whole_numbers(checked, name) for name in ("repeat", "fold")})
    checked = checked.assign(**require_probabilities(checked, names))
    if "prediction" not in checked.columns:
        likeliest = checked[probability_columns(names)].to_numpy().argmax(axis=1)
        checked = checked.assign(prediction=np.array(names, dtype=object)[likeliest])
    checked = checked.assign(**{side: checked[side].astype(str).str.strip() for side in ("target", "prediction")})
    for side in ("target", "prediction"):
        require_known_classes(checked, side, names)
    require_unique_rows(checked, key=("radiograph_id", "model", "repeat"))
    require_one_radiograph_each(checked)
    require_one_plan(checked)
    require_complete(checked)
    require_no_leak(checked)
    return checked


def class_grid(table: pd.DataFrame, *, classes: Sequence[str] | None = None) -> ClassGrid:
    """Return a table of class predictions as arrays, after :func:`validate_class_predictions`.

    Raises:
        MetricError: if the table cannot be scored.
    """
    names = named_classes(table, classes)
    ordered = validate_class_predictions(table, classes=names)
    ordered = ordered.sort_values(["model", "repeat", "radiograph_id"], kind="stable")
    first = ordered.drop_duplicates("radiograph_id").sort_values("radiograph_id", kind="stable")
    place = {name: code for code, name in enumerate(names)}
    models = list(dict.fromkeys(table["model"].astype(str)))
    rows = {model: ordered[ordered["model"] == model] for model in models}
    return ClassGrid(
        patients=np.unique(first["patient_id"].to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64),
        classes=names,
        target=np.array([place[name] for name in first["target"]], dtype=np.int64),
        predictions={
            model: np.array([place[name] for name in rows[model]["prediction"]], dtype=np.int64).reshape(-1, len(first))
            for model in models
        },
        probabilities={
            model: rows[model][probability_columns(names)]
            .to_numpy(dtype=np.float64)
            .reshape(-1, len(first), len(names))
            for model in models
        },
    )
