"""What is fitted to predictions (recalibration, risks, thresholds, widths) never sees the rows it is scored on.

Each scored fold of a repeat has its own fitting rows, for each model:

- where the run kept what the fold's model predicts for the fold's inner validation part (``calibration.csv``), those:
  nothing about the scored fold took part in anything;
- else the out-of-fold predictions of the other folds of the repeat.  The scored rows take no part in the fit, but the
  models behind the other folds' predictions had them in training; every output says which of the two was used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import MetricError
from xattn_bmd.types import HEAD_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from xattn_bmd.metrics.predictions import PredictionGrid

FittedOn = Literal["inner validation part", "other folds"]
Fitted = TypeVar("Fitted")


class FittingRows(NamedTuple):
    """What may be fitted on for one scored fold.

    Attributes:
        target: (M,) g/cm².
        prediction: (M,) g/cm², by a model that was not trained on these rows.
        given: the columns of :data:`xattn_bmd.types.HEAD_COLUMNS` that the model has, each (M,), g/cm².
    """

    target: NDArray[np.float64]
    prediction: NDArray[np.float64]
    given: Mapping[str, NDArray[np.float64]] = MappingProxyType({})


Calibration: TypeAlias = Mapping[tuple[str, int, int], FittingRows]
"""Rows of the inner validation part by (model, repeat, fold)."""


@dataclass(frozen=True, eq=False)
class FoldFit(Generic[Fitted]):
    """What was fitted for one scored fold.

    Attributes:
        repeat: position of the repeat in the grid.
        rows: (N,) bool, the scored radiographs.
        fitted: the result of the fit.
        on: what it was fitted on.
    """

    repeat: int
    rows: NDArray[np.bool_]
    fitted: Fitted
    on: FittedOn


def crossfit(
    grid: PredictionGrid,
    *,
    model: str,
    fit: Callable[[FittingRows], Fitted],
    calibration: Calibration | None = None,
) -> list[FoldFit[Fitted]]:
    """Fit once for every scored fold of every repeat, never on the scored rows.

    Args:
        grid: the predictions.
        model: one of its models.
        fit: fitting rows -> anything.
        calibration: rows of the inner validation parts; None fits on the other folds.

    Returns:
        One fit per fold and repeat.  Empty where there is nothing to fit on: a single fold without ``calibration``.

    Raises:
        MetricError: if ``calibration`` lacks a fold of the model.
    """
    fits: list[FoldFit[Fitted]] = []
    for repeat, codes in enumerate(grid.folds):
        for code in np.unique(codes):
            rows = codes == code
            if calibration is None and rows.all():
                continue
            given = _other_folds(grid, model, repeat, rows)
            if calibration is not None:
                given = _inner(calibration, (model, grid.repeat_labels[repeat], grid.fold_labels[code]))
            on: FittedOn = "other folds" if calibration is None else "inner validation part"
            fits.append(FoldFit(repeat, rows, fit(given), on))
    return fits


def calibration_rows(table: pd.DataFrame) -> Calibration:
    """Return the rows of a ``calibration.csv``.

    Args:
        table: columns of a predictions table; ``fold`` is the scored fold whose model made the prediction.
    """
    groups = table.groupby(["model", "repeat", "fold"], sort=False)
    rows = [group for _, group in groups]
    keys = [(str(one["model"].iloc[0]), int(one["repeat"].iloc[0]), int(one["fold"].iloc[0])) for one in rows]
    return {
        key: FittingRows(_numbers(one, "target"), _numbers(one, "prediction"), _head_columns(one))
        for key, one in zip(keys, rows, strict=True)
    }


def _other_folds(grid: PredictionGrid, model: str, repeat: int, rows: NDArray[np.bool_]) -> FittingRows:
    given = {column: values[repeat][~rows] for (name, column), values in grid.given.items() if name == model}
    return FittingRows(grid.target[~rows], grid.predictions[model][repeat][~rows], given)


def _head_columns(rows: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    return {name: _numbers(rows, name) for name in HEAD_COLUMNS if name in rows.columns and rows[name].notna().all()}


def _numbers(rows: pd.DataFrame, column: str) -> NDArray[np.float64]:
    return rows[column].to_numpy(dtype=np.float64)


def _inner(calibration: Calibration, key: tuple[str, int, int]) -> FittingRows:
    if key not in calibration:
        model, repeat, fold = key
        raise MetricError(
            f"calibration.csv has rows for every scored fold, but model {model}, repeat {repeat}, fold {fold} has "
            "none; run the comparison again, or leave the file out."
        )
    return calibration[key]
