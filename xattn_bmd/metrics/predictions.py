"""The predictions table: read it, refuse what cannot be scored, and lay it out as arrays."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import MetricError
from xattn_bmd.types import HEAD_COLUMNS, PREDICTION_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

_IDS = ("radiograph_id", "patient_id", "model")
_NUMBERS = ("target", "prediction")
_KEY = ["radiograph_id", "model", "repeat"]


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
    import pandas as pd

    try:
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys((*_IDS, "site"), str),
            converters=dict.fromkeys((*_NUMBERS, *HEAD_COLUMNS), _exact_number),
            keep_default_na=False,
        )
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as cause:
        name = "the given text" if isinstance(path, io.StringIO) else Path(path).name
        raise MetricError(
            f"A predictions table is a CSV file in UTF-8 with a header, but {name} cannot be read as one "
            f"({type(cause).__name__}); check the path and the file."
        ) from cause
    return validate_predictions(table)


def validate_predictions(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a predictions table with text ids and float densities, or say why it cannot be scored.

    Args:
        table: one row per (radiograph, model, repeat) with the columns of
            :data:`xattn_bmd.types.PREDICTION_COLUMNS`; further columns are kept, ``site`` may be empty.

    Raises:
        MetricError: if a column is missing, a value is empty, not a finite number or duplicated, a radiograph has two
            targets, patients or folds, a model lacks rows, or a patient lies in two folds of one repeat.
    """
    missing = [name for name in PREDICTION_COLUMNS if name not in table.columns]
    if missing:
        raise MetricError(
            f"A predictions table has the columns {', '.join(PREDICTION_COLUMNS)}, but {', '.join(missing)} is "
            "missing; add it (site may be left empty)."
        )
    if table.empty:
        raise MetricError("A predictions table has a row per radiograph, model and repeat, but it is empty; fill it.")
    checked = table.reset_index(drop=True)
    _require_filled(checked)
    checked = checked.assign(**{name: checked[name].astype(str) for name in _IDS})
    checked = checked.assign(**{name: _as_numbers(checked, name) for name in _NUMBERS})
    checked = checked.assign(**{name: _whole_numbers(checked, name) for name in ("repeat", "fold")})
    checked = checked.assign(**{name: _spread(checked, name) for name in HEAD_COLUMNS if name in checked.columns})
    _require_unique_rows(checked)
    _require_one_value(checked)
    _require_complete(checked)
    _require_no_leak(checked)
    return checked


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


def _exact_number(text: str) -> float | str:
    # The CSV reader's own number parser may be off in the last digit.
    try:
        return float(text)
    except ValueError:
        return text


def _require_filled(table: pd.DataFrame) -> None:
    for name in (*_IDS, "repeat", "fold"):
        empty = table[name].isna() | (table[name].astype(str).str.strip() == "")
        if empty.any():
            raise MetricError(
                f"Every row of a predictions table has a {name}, but {int(empty.sum())} rows have none, the first is "
                f"row {int(np.flatnonzero(empty)[0]) + 1}; fill it in."
            )


def _as_numbers(table: pd.DataFrame, name: str) -> pd.Series[float]:
    import pandas as pd

    numbers = pd.to_numeric(table[name], errors="coerce").astype(np.float64)
    bad = ~np.isfinite(numbers.to_numpy())
    if bad.any():
        row = table[bad].iloc[0]
        raise MetricError(
            f"Every {name} is a finite density in g/cm², but {int(bad.sum())} of {len(table)} are not, the first is "
            f"{row[name]!r} for radiograph {row['radiograph_id']} and model {row['model']}; "
            "mend it, or leave the radiograph out for all models."
        )
    return numbers


def _whole_numbers(table: pd.DataFrame, name: str) -> pd.Series[int]:
    import pandas as pd

    numbers = pd.to_numeric(table[name], errors="coerce").astype(np.float64)
    bad = ~np.isfinite(numbers.to_numpy()) | (numbers.to_numpy() % 1 != 0)
    if bad.any():
        raise MetricError(
            f"Every {name} is a whole number, but {int(bad.sum())} of {len(table)} are not, the first is "
            f"{table[bad][name].iloc[0]!r}; number them 0, 1, 2 and so on."
        )
    return numbers.astype(np.int64)


def _spread(table: pd.DataFrame, name: str) -> pd.Series[float]:
    """Return a head's column: a number in every row of a model, or in none."""
    import pandas as pd

    texts = table[name].astype(str).str.strip()
    numbers = pd.to_numeric(table[name], errors="coerce").astype(np.float64)
    bad = ~texts.isin(["", "nan", "None"]) & ~np.isfinite(numbers)
    some = numbers.notna().groupby(table["model"]).transform("nunique") > 1
    if (bad | some).any():
        row = table[bad | some].iloc[0]
        raise MetricError(
            f"A model gives {name} in g/cm² for every radiograph or for none, but {row[name]!r} was found for "
            f"radiograph {row['radiograph_id']} and model {row['model']}; mend it, or empty the column for that model."
        )
    return numbers


def _require_unique_rows(table: pd.DataFrame) -> None:
    repeated = table.duplicated(_KEY)
    if repeated.any():
        row = table[repeated].iloc[0]
        raise MetricError(
            "A radiograph is predicted once per model and repeat, but radiograph "
            f"{row['radiograph_id']} has several rows for model {row['model']}, repeat {row['repeat']} "
            f"({int(repeated.sum())} rows too many in all); keep one of them."
        )


def _require_one_value(table: pd.DataFrame) -> None:
    rules = (
        (["radiograph_id"], "target", "has one target in all models and repeats"),
        (["radiograph_id"], "patient_id", "belongs to one patient"),
        (["radiograph_id", "repeat"], "fold", "lies in the same fold for all models of a repeat"),
    )
    for keys, column, rule in rules:
        counts = table.groupby(keys, sort=False)[column].nunique()
        several = counts[counts > 1]
        if len(several):
            first = several.index[0][0] if len(keys) > 1 else several.index[0]
            raise MetricError(
                f"A radiograph {rule}, but {len(several)} break the rule, the first is radiograph {first}; "
                "the models were not scored on the same data: predict them again on one cohort and fold plan."
            )


def _require_complete(table: pd.DataFrame) -> None:
    radiographs = table["radiograph_id"].nunique()
    repeats = table["repeat"].drop_duplicates()
    for model, rows in table.groupby("model", sort=False):
        if len(rows) == radiographs * len(repeats):
            continue
        for repeat in repeats:
            absent = set(table["radiograph_id"]) - set(rows.loc[rows["repeat"] == repeat, "radiograph_id"])
            if absent:
                raise MetricError(
                    f"Every model predicts every radiograph in every repeat, but model {model} lacks {len(absent)} of "
                    f"{radiographs} in repeat {repeat}, the first is radiograph {min(absent)}; predict it, or leave "
                    "it out for all models."
                )


def _require_no_leak(table: pd.DataFrame) -> None:
    folds = table.groupby(["patient_id", "repeat"], sort=False)["fold"].nunique()
    split = folds[folds > 1]
    if len(split):
        patients = split.index.get_level_values("patient_id")
        example = sorted(table.loc[table["patient_id"].isin(patients[:1]), "radiograph_id"].unique())
        raise MetricError(
            f"All radiographs of a patient lie in one fold of a repeat, but {patients.nunique()} patients are in "
            f"several (the first owns radiographs {', '.join(example)}), so training saw patients it was scored on; "
            "make a fold plan grouped by patient and train again."
        )
