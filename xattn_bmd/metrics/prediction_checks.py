"""What makes a predictions table impossible to score: gaps, values that are no numbers, duplicates, leaks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xattn_bmd.errors import MetricError

if TYPE_CHECKING:
    import pandas as pd

IDS = ("radiograph_id", "patient_id", "model")
"""Columns of text that no row may leave empty; ``site`` may be."""

_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")


def require_filled(table: pd.DataFrame) -> None:
    """Refuse a table without rows, or with an empty id, model, repeat or fold."""
    if table.empty:
        raise MetricError("A predictions table has a row per radiograph, model and repeat, but it is empty; fill it.")
    for name in (*IDS, "repeat", "fold"):
        empty = table[name].isna() | (table[name].astype(str).str.strip() == "")
        if empty.any():
            raise MetricError(
                f"Every row of a predictions table has a {name}, but {int(empty.sum())} rows have none, the first is "
                f"row {int(np.flatnonzero(empty)[0]) + 1}; fill it in."
            )


def densities(table: pd.DataFrame, name: str) -> pd.Series[float]:
    """Return a column as finite numbers, or refuse it."""
    import pandas as pd

    numbers = pd.to_numeric(table[name], errors="coerce").astype(np.float64)
    bad = ~np.isfinite(numbers.to_numpy())
    if bad.any():
        row = table[bad].iloc[0]
        point = "write it with a decimal point" if _DECIMAL_COMMA.fullmatch(str(row[name])) else "mend it"
        raise MetricError(
            f"Every {name} is a finite density in g/cm², but {int(bad.sum())} of {len(table)} are not, the first is "
            f"{row[name]!r} for radiograph {row['radiograph_id']} and model {row['model']}; "
            f"{point}, or leave the radiograph out for all models."
        )
    return numbers


def whole_numbers(table: pd.DataFrame, name: str) -> pd.Series[int]:
    """Return a column as whole numbers, or refuse it."""
    import pandas as pd

    numbers = pd.to_numeric(table[name], errors="coerce").astype(np.float64)
    bad = ~np.isfinite(numbers.to_numpy()) | (numbers.to_numpy() % 1 != 0)
    if bad.any():
        raise MetricError(
            f"Every {name} is a whole number, but {int(bad.sum())} of {len(table)} are not, the first is "
            f"{table[bad][name].iloc[0]!r}; number them 0, 1, 2 and so on."
        )
    return numbers.astype(np.int64)


def head_column(table: pd.DataFrame, name: str) -> pd.Series[float]:
    """Return a head's column: a number in every row of a model, or in none."""
    import pandas as pd

    empty = table[name].isna() | (table[name].astype(str).str.strip() == "")
    numbers = pd.to_numeric(table[name], errors="coerce").astype(np.float64)
    bad = ~empty & ~np.isfinite(numbers)
    if name == "sd":
        bad |= numbers < 0
    some = numbers.notna().groupby(table["model"]).transform("nunique") > 1
    if (bad | some).any():
        row = table[bad | some].iloc[0]
        raise MetricError(
            f"A model gives {name} in g/cm² (an SD not below 0) for every radiograph or for none, but {row[name]!r} "
            f"was found for radiograph {row['radiograph_id']} and model {row['model']}; mend it, or empty the column "
            "for that model."
        )
    return numbers


def require_unique_rows(table: pd.DataFrame, *, key: Sequence[str]) -> None:
    """Refuse a table with two rows of one key: the columns ``radiograph_id``, then others."""
    repeated = table.duplicated(list(key))
    if repeated.any():
        row = table[repeated].iloc[0]
        others = [name for name in key if name != "radiograph_id"]
        raise MetricError(
            f"A radiograph is predicted once per {' and '.join(others)}, but radiograph {row['radiograph_id']} has "
            f"several rows for {', '.join(f'{name} {row[name]}' for name in others)} "
            f"({int(repeated.sum())} rows too many in all); keep one of them."
        )


def require_one_radiograph_each(table: pd.DataFrame) -> None:
    """Refuse a table in which a radiograph has two targets or two patients."""
    _require_one(table, ["radiograph_id"], "target", rule="has one target in all models and repeats")
    _require_one(table, ["radiograph_id"], "patient_id", rule="belongs to one patient")


def require_one_plan(table: pd.DataFrame) -> None:
    """Refuse a table in which a radiograph lies in two folds of a repeat."""
    _require_one(table, ["radiograph_id", "repeat"], "fold", rule="lies in the same fold for all models of a repeat")


def _require_one(table: pd.DataFrame, keys: list[str], column: str, *, rule: str) -> None:
    counts = table.groupby(keys, sort=False)[column].nunique()
    several = counts[counts > 1].reset_index()
    if len(several):
        raise MetricError(
            f"A radiograph {rule}, but {len(several)} break the rule, the first is radiograph "
            f"{several['radiograph_id'].iloc[0]}; the models were not scored on the same data: predict them again on "
            "one cohort and fold plan."
        )


def require_complete(table: pd.DataFrame) -> None:
    """Refuse a table in which a model lacks a radiograph in a repeat."""
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


def require_no_leak(table: pd.DataFrame) -> None:
    """Refuse a table in which a patient lies in two folds of a repeat."""
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
