"""What a predictor of classes keeps of its development: counts and out-of-fold results, and no row of anybody."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xattn_bmd.data.seen import Seen
from xattn_bmd.metrics.tables.layout import NAN
from xattn_bmd.training.prediction.development import InternalValue

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassDevelopment:
    """What a predictor of classes keeps of its development.

    Attributes:
        n: number of radiographs.
        patients: number of patients.
        counts: radiographs of each class, in the order of the classes.
        internal: out-of-fold results of this model; ``average`` is the class, ``macro`` or ``all``.
        seen: hashes of patients and pictures.
    """

    n: int
    patients: int
    counts: Mapping[str, int]
    internal: tuple[InternalValue, ...]
    seen: Seen

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ClassDevelopment:
        """Return what :meth:`to_dict` wrote."""
        return cls(
            n=values["n"],
            patients=values["patients"],
            counts=values["counts"],
            internal=tuple(_restored(row) for row in values["internal"]),
            seen=Seen.from_dict(values["seen"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and numbers, the same for the same development; NaN becomes None."""
        return {
            "n": self.n,
            "patients": self.patients,
            "counts": dict(self.counts),
            "internal": [_plain(row) for row in self.internal],
            "seen": self.seen.to_dict(),
        }


def describe_class_development(
    predictions: pd.DataFrame, *, classes: tuple[str, ...], metrics: pd.DataFrame, seen: Seen
) -> ClassDevelopment:
    """Return what the predictor of one model keeps.

    Args:
        predictions: the model's rows of the predictions table.
        classes: names of the classes, in their order.
        metrics: the model's rows of ``metrics.csv``.
        seen: hashes of what was in training.
    """
    once = predictions.drop_duplicates("radiograph_id")
    return ClassDevelopment(
        n=len(once),
        patients=int(once["patient_id"].nunique()),
        counts={name: int((once["target"] == name).sum()) for name in classes},
        internal=tuple(class_values(metrics)),
        seen=seen,
    )


def class_values(table: pd.DataFrame) -> list[InternalValue]:
    """Return the rows of a table of class metrics of one model."""
    parts = ("value", "low", "high")
    return [
        InternalValue(str(row["metric"]), NAN, str(row["class"]), *(float(row[name]) for name in parts))
        for row in table.to_dict("records")
    ]


def _plain(row: InternalValue) -> dict[str, Any]:
    numbers = {name: getattr(row, name) for name in ("value", "low", "high")}
    known = {name: None if math.isnan(value) else value for name, value in numbers.items()}
    return {"class": row.average, "metric": row.metric, **known}


def _restored(row: Mapping[str, Any]) -> InternalValue:
    numbers = (NAN if row[name] is None else float(row[name]) for name in ("value", "low", "high"))
    return InternalValue(row["metric"], NAN, row["class"], *numbers)
