"""Refuses a predictions table with other columns, and guesses which of them were meant."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from xattn_bmd.errors import MetricError
from xattn_bmd.types import PREDICTION_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

LOOK_ALIKES: dict[str, tuple[str, ...]] = {
    "radiograph_id": ("radiograph", "image_id", "image", "id", "file", "filename", "x_ray_id", "xray_id"),
    "patient_id": ("patient", "subject", "subject_id", "pid", "person_id", "participant", "participant_id"),
    "site": ("hospital", "centre", "center"),
    "model": ("method", "arm", "model_name", "algorithm"),
    "repeat": ("repetition", "rep", "repeats"),
    "fold": ("split", "cv_fold", "fold_id", "folds"),
    "target": ("y_true", "y", "label", "observed", "measured", "true", "truth", "ground_truth", "bmd", "dxa", "fn_bmd"),
    "prediction": ("y_pred", "y_hat", "yhat", "pred", "predicted", "estimate", "estimated", "predictions"),
}
"""Names under which other tools store each column, in lower case with underscores."""


def require_columns(table: pd.DataFrame, columns: Sequence[str] = PREDICTION_COLUMNS) -> None:
    """Refuse a table in which a column is missing or appears twice.

    Args:
        table: a predictions table.
        columns: those of :data:`xattn_bmd.types.PREDICTION_COLUMNS` that it needs.

    Raises:
        MetricError: naming the columns to rename where one looks like a missing one.
    """
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise MetricError(
            f"Every column of a predictions table has its own name, but {twice[0]} is there twice; keep one."
        )
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise MetricError(
            f"A predictions table has the columns {', '.join(columns)}, but {', '.join(missing)} is "
            f"missing; {_fix(missing, tuple(table.columns))}."
        )


def look_alikes(missing: str, columns: Sequence[Hashable]) -> list[str]:
    """Return the columns that look like a missing one, in their order.

    Args:
        missing: one of :data:`xattn_bmd.types.PREDICTION_COLUMNS`.
        columns: what the table has.

    Example:
        >>> look_alikes("target", ["id", "Y true", "y_pred", "Target "])
        ['Y true', 'Target ']
    """
    wanted = (missing, *LOOK_ALIKES[missing])
    return [str(name) for name in columns if name not in PREDICTION_COLUMNS and _plain(str(name)) in wanted]


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name.strip().lower()).strip("_")


def _fix(missing: list[str], columns: tuple[Hashable, ...]) -> str:
    guesses = {name: look_alikes(name, columns) for name in missing}
    steps = [f"rename {' or '.join(map(repr, found))} to {name}" for name, found in guesses.items() if found]
    absent = [name for name, found in guesses.items() if not found]
    if absent:
        steps.append("add " + ", ".join(f"{name} (may be left empty)" if name == "site" else name for name in absent))
    return ", ".join(steps)
