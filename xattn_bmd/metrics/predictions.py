"""The predictions table: read it, refuse what cannot be scored, and lay it out as arrays."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.prediction_checks import (
    IDS,
    densities,
    head_column,
    require_complete,
    require_filled,
    require_no_leak,
    require_one_plan,
    require_one_radiograph_each,
    require_unique_rows,
    whole_numbers,
)
from xattn_bmd.metrics.prediction_columns import require_columns
from xattn_bmd.metrics.prediction_files import read_table
from xattn_bmd.metrics.prediction_units import require_one_unit
from xattn_bmd.types import HEAD_COLUMNS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictionGrid:
    """A valid predictions table as arrays; radiographs are in the order of their ids, whatever the table's order.

    Attributes:
        radiographs: (N,) ids.
        patients: (N,) int, patient of each radiograph, from 0 to ``n_patients - 1``.
        target: (N,) float, g/cm².
        sites: (N,) site of each radiograph, empty where not known.
        folds: (repeats, N) int, position in ``fold_labels`` of the fold in which each radiograph was predicted.
        fold_labels: (F,) the folds as the table numbers them.
        repeat_labels: (repeats,) the repeats as the table numbers them.
        predictions: (repeats, N) float of each model, g/cm², models in the order in which the table names them.
        given: (repeats, N) float of each (model, column) of :data:`xattn_bmd.types.HEAD_COLUMNS` that the table has.
    """

    radiographs: NDArray[np.str_]
    patients: NDArray[np.int64]
    target: NDArray[np.float64]
    sites: NDArray[np.str_]
    folds: NDArray[np.int64]
    fold_labels: tuple[int, ...]
    repeat_labels: tuple[int, ...]
    predictions: dict[str, NDArray[np.float64]]
    given: dict[tuple[str, str], NDArray[np.float64]]

    @property
    def n_patients(self) -> int:
        """Number of different patients."""
        return int(self.patients.max()) + 1


def read_predictions(path: Path | str | io.StringIO) -> pd.DataFrame:
    """Return the valid predictions table stored in a CSV file.

    Ids stay text (``007`` is not 7) and numbers are read to the last digit.

    Args:
        path: the file, or its text in memory.

    Raises:
        MetricError: if the file cannot be read as CSV, or :func:`validate_predictions` refuses its table.
    """
    return validate_predictions(read_table(path))


def validate_predictions(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a predictions table with text ids and float densities, or say why it cannot be scored.

    Args:
        table: one row per (radiograph, model, repeat) with the columns of
            :data:`xattn_bmd.types.PREDICTION_COLUMNS`; further columns are kept, ``site`` may be empty.  Densities are
            in g/cm², or in what the column ``unit`` says.

    Raises:
        MetricError: if a column is missing, a value is empty, not a finite number, in another unit or duplicated, a
            radiograph has two targets, patients or folds, a model lacks rows, or a patient lies in two folds of one
            repeat.
    """
    checked = _typed(table)
    require_unique_rows(checked, key=("radiograph_id", "model", "repeat"))
    require_one_radiograph_each(checked)
    require_one_plan(checked)
    require_complete(checked)
    require_no_leak(checked)
    return checked


def read_calibration(path: Path | str | io.StringIO) -> pd.DataFrame:
    """Return the table of a run's ``calibration.csv``: what each fold's model predicts for its inner validation part.

    It has the columns of a predictions table; ``fold`` is the scored fold whose model made the prediction, so a
    radiograph may have rows for several folds, and need not have any.

    Args:
        path: the file, or its text in memory.

    Raises:
        MetricError: if the file cannot be read as CSV, a column is missing, a value is empty, not a finite number, in
            another unit or duplicated, or a radiograph has two targets or patients.
    """
    try:
        checked = _typed(read_table(path))
        require_unique_rows(checked, key=("radiograph_id", "model", "repeat", "fold"))
        require_one_radiograph_each(checked)
    except MetricError as cause:
        raise MetricError(f"calibration.csv: {cause}") from cause
    return checked


def validate_calibration(table: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return a calibration table unchanged, or say why nothing may be fitted to it.

    Args:
        table: from :func:`read_calibration`.
        predictions: from :func:`validate_predictions`.

    Raises:
        MetricError: if a patient of a calibration part is scored in the fold that it belongs to, or a radiograph has
            another target or patient than in ``predictions``.
    """
    part = ["patient_id", "repeat", "fold"]
    leaked = table[part].drop_duplicates().merge(predictions[part].drop_duplicates(), on=part)
    if len(leaked):
        first = leaked.iloc[0]
        raise MetricError(
            "calibration.csv: what is fitted for a fold never sees the patients scored in it, but "
            f"{leaked['patient_id'].nunique()} patients do, the first in repeat {first['repeat']}, fold "
            f"{first['fold']}; run the comparison again, or leave the file out."
        )
    columns = ["radiograph_id", "patient_id", "target"]
    known = table[table["radiograph_id"].isin(predictions["radiograph_id"])]
    other = known[columns].merge(predictions[columns].drop_duplicates(), how="left", on=columns, indicator=True)
    other = other[other["_merge"] == "left_only"]
    if len(other):
        raise MetricError(
            "calibration.csv: a radiograph has the target and the patient that it has in predictions.csv, but "
            f"{other['radiograph_id'].nunique()} do not, the first is radiograph {other['radiograph_id'].iloc[0]}; "
            "the files are of different runs: run the comparison again, or leave the file out."
        )
    return table


def prediction_grid(table: pd.DataFrame) -> PredictionGrid:
    """Return a predictions table as arrays, after :func:`validate_predictions`.

    Raises:
        MetricError: if the table cannot be scored.
    """
    import pandas as pd

    checked = validate_predictions(table)
    models = list(dict.fromkeys(checked["model"]))
    ordered = checked.sort_values(["model", "repeat", "radiograph_id"], kind="stable")
    first = ordered.drop_duplicates("radiograph_id").sort_values("radiograph_id", kind="stable")
    shape = (-1, len(first))
    by_model = {model: rows for model, rows in ordered.groupby("model", sort=False)}
    folds, fold_labels = pd.factorize(by_model[models[0]]["fold"], sort=True)
    return PredictionGrid(
        radiographs=first["radiograph_id"].to_numpy(dtype=str),
        patients=np.unique(first["patient_id"].to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64),
        target=first["target"].to_numpy(dtype=np.float64),
        sites=first["site"].fillna("").astype(str).to_numpy(dtype=str),
        folds=folds.astype(np.int64).reshape(shape),
        fold_labels=tuple(int(label) for label in fold_labels),
        repeat_labels=tuple(int(label) for label in sorted(by_model[models[0]]["repeat"].unique())),
        predictions={
            model: by_model[model]["prediction"].to_numpy(dtype=np.float64).reshape(shape) for model in models
        },
        given={
            (model, column): by_model[model][column].to_numpy(dtype=np.float64).reshape(shape)
            for model in models
            for column in HEAD_COLUMNS
            if column in ordered.columns and by_model[model][column].notna().all()
        },
    )


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of the table with text ids and numbers, or say which column or value is wrong."""
    require_columns(table)
    checked = table.reset_index(drop=True)
    require_filled(checked)
    checked = checked.assign(**{name: checked[name].astype(str) for name in IDS})
    checked = checked.assign(**{name: densities(checked, name) for name in ("target", "prediction")})
    checked = checked.assign(**{name: whole_numbers(checked, name) for name in ("repeat", "fold")})
    checked = checked.assign(**{name: head_column(checked, name) for name in HEAD_COLUMNS if name in checked.columns})
    require_one_unit(checked)
    return checked
