"""What a predictor keeps of its development: numbers that travel with it, and no row of anybody.

Whoever gets a predictor and not the run behind it can still draw intervals, apply the recalibration and the triage cuts
unchanged, set internal beside external results, and find patients that were in training.

Patients and pictures are kept as salted hashes.  They stop accidents, they do not hide anybody: a hash of a guessable
id (a running number) can be guessed by trying all ids, because the salt travels with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import WHO_THRESHOLDS
from xattn_bmd.data.seen import Seen
from xattn_bmd.metrics.calibration import Recalibration, fit_recalibration
from xattn_bmd.metrics.crossfit import FittingRows
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.tables.layout import NAN, POOLED
from xattn_bmd.metrics.triage import TriageCuts, fit_triage

if TYPE_CHECKING:
    import pandas as pd


class InternalValue(NamedTuple):
    """One out-of-fold result of the development cohort.

    Attributes:
        metric: name of the metric.
        threshold: T-score at which it screens; NaN for a regression metric.
        average: averaging of the classes, empty where there is none.
        value: as observed.
        low: lower end of its 95 % interval.
        high: upper end of it.
    """

    metric: str
    threshold: float
    average: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class FoldResiduals:
    """Out-of-fold errors, sorted within each fold so that no order of rows survives.

    Attributes:
        size: (M,) absolute error, g/cm².
        fold: (M,) int, position of the fold model among the predictor's estimators that did not see the radiograph.
    """

    size: NDArray[np.float64]
    fold: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Development:
    """What a predictor keeps of its development.

    Attributes:
        n: number of radiographs.
        patients: number of patients.
        target_mean: mean measured density, g/cm².
        target_sd: SD of it, g/cm².
        internal: out-of-fold results of this model.
        recalibration: line through all out-of-fold predictions, see :mod:`xattn_bmd.metrics.calibration`.
        triage: rule-in and rule-out cuts by T-score threshold, fitted on all out-of-fold predictions.
        residuals: out-of-fold errors for CV+ intervals.
        seen: hashes of patients and pictures.
    """

    n: int
    patients: int
    target_mean: float
    target_sd: float
    internal: tuple[InternalValue, ...]
    recalibration: Recalibration
    triage: Mapping[float, TriageCuts]
    residuals: FoldResiduals
    seen: Seen

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, seen: Seen | None = None) -> Development:
        """Return what :meth:`to_dict` wrote.

        Args:
            values: the dictionary.
            seen: what was in training, where the dictionary does not say so again.
        """
        residuals = values["residuals"]
        return cls(
            n=values["n"],
            patients=values["patients"],
            target_mean=values["target_mean"],
            target_sd=NAN if values["target_sd"] is None else values["target_sd"],
            internal=tuple(InternalValue(**_restored(row)) for row in values["internal"]),
            recalibration=Recalibration(**_restored(values["recalibration"])),
            triage={float(threshold): TriageCuts.from_dict(cuts) for threshold, cuts in values["triage"].items()},
            residuals=FoldResiduals(
                np.concatenate([np.array(fold, dtype=np.float64) for fold in residuals]),
                np.repeat(np.arange(len(residuals)), [len(fold) for fold in residuals]),
            ),
            seen=seen or Seen.from_dict(values["seen"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, the same for the same development; NaN becomes None."""
        folds = range(int(self.residuals.fold.max()) + 1)
        return {
            "n": self.n,
            "patients": self.patients,
            "target_mean": self.target_mean,
            "target_sd": _or_none(self.target_sd),
            "internal": [_plain(row._asdict()) for row in self.internal],
            "recalibration": _plain(asdict(self.recalibration)),
            "triage": {f"{threshold:g}": cuts.to_dict() for threshold, cuts in self.triage.items()},
            "residuals": [self.residuals.size[self.residuals.fold == fold].tolist() for fold in folds],
            "seen": self.seen.to_dict(),
        }


def describe_development(
    predictions: pd.DataFrame, *, metrics: pd.DataFrame, screening: pd.DataFrame, reference: Reference, seen: Seen
) -> Development:
    """Return what the predictor of one model keeps.

    Args:
        predictions: the model's rows of the predictions table.
        metrics: the model's rows of ``metrics.csv``.
        screening: the model's rows of ``screening.csv``.
        reference: the young-adult population of the T-scores.
        seen: hashes of what was in training.
    """
    grid = prediction_grid(predictions)
    rows = _all_rows(grid)
    return Development(
        n=len(grid.target),
        patients=grid.n_patients,
        target_mean=float(grid.target.mean()),
        target_sd=float(grid.target.std(ddof=1)) if len(grid.target) > 1 else NAN,
        internal=(*pooled_values(metrics), *pooled_values(screening)),
        recalibration=fit_recalibration(rows),
        triage={t: fit_triage(rows, reference=reference, threshold=t) for t in WHO_THRESHOLDS},
        residuals=_residuals(grid),
        seen=seen,
    )


def pooled_values(table: pd.DataFrame, *, method: str = POOLED) -> list[InternalValue]:
    """Return the rows of a ``metrics.csv`` or ``screening.csv`` of one model that were made by one method."""
    return [
        InternalValue(
            str(row["metric"]),
            float(row.get("threshold", NAN)),
            _text(row.get("average")),
            *(float(row[name]) for name in ("value", "low", "high")),
        )
        for row in table[table["method"] == method].to_dict("records")
    ]


def _all_rows(grid: PredictionGrid) -> FittingRows:
    (prediction,) = grid.predictions.values()
    return FittingRows(np.broadcast_to(grid.target, prediction.shape).ravel(), prediction.ravel())


def _residuals(grid: PredictionGrid) -> FoldResiduals:
    (prediction,) = grid.predictions.values()
    size = np.abs(prediction - grid.target).ravel()
    fold = (grid.folds + len(grid.fold_labels) * np.arange(len(grid.folds))[:, None]).ravel()
    order = np.lexsort((size, fold))
    return FoldResiduals(size[order], fold[order])


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _or_none(value) for key, value in values.items()}


def _restored(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: NAN if value is None else value for key, value in values.items()}


def _or_none(value: float | str) -> float | str | None:
    return None if isinstance(value, float) and math.isnan(value) else value


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
