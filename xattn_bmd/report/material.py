"""What every section of a report is written from, and the words that all of them share."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from xattn_bmd.bone.tscore import WHO_THRESHOLDS
from xattn_bmd.report.evidence import Evidence
from xattn_bmd.report.numbers import MINUS
from xattn_bmd.report.source import ReportSource

if TYPE_CHECKING:
    import pandas as pd

Row = dict[Hashable, Any]

LABELS = {
    "mse": "MSE, (g/cm²)²",
    "mae": "MAE, g/cm²",
    "rmse": "RMSE, g/cm²",
    "r2": "R²",
    "pearson_r": "Pearson r",
    "spearman_r": "Spearman r",
    "ccc": "concordance",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "ppv": "PPV (precision)",
    "precision": "precision",
    "sensitivity": "sensitivity (recall)",
    "recall": "recall",
    "npv": "NPV",
    "f1": "F1",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "kappa": "kappa",
    "weighted_kappa": "weighted kappa",
    "bias": "bias, g/cm²",
    "sd_difference": "SD of difference, g/cm²",
    "loa_low": "lower limit, g/cm²",
    "loa_high": "upper limit, g/cm²",
    "proportional_slope": "proportional slope",
    "calibration_in_the_large": "calibration in the large, g/cm²",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept, g/cm²",
    "recalibrated_mae": "MAE, g/cm²",
    "recalibrated_rmse": "RMSE, g/cm²",
    "recalibrated_r2": "R²",
    "decided": "decided",
    "rule_in": "ruled in (low)",
    "rule_out": "ruled out",
}
"""Names of metrics in headings."""


class Captioned(Protocol):
    """What a table of models needs to know of a report."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in the order of the table."""

    def caption(self, text: str, *, counted: str = "") -> str:
        """Return a caption that ends with n and with what is simulated."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """The source of a report and what was computed from it."""

    source: ReportSource
    evidence: Evidence

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in the order of the table."""
        return self.source.models

    @property
    def counted(self) -> str:
        """How many radiographs and patients were scored."""
        grid = self.evidence.grid
        radiographs, patients = len(grid.target), grid.n_patients
        return (
            f"n = {radiographs:,} radiograph{'s' * (radiographs != 1)} of {patients:,} patient{'s' * (patients != 1)}"
        )

    @property
    def kind(self) -> str:
        """Whether the radiographs are simulated, for captions."""
        words = {True: "simulated", False: "", None: "not stated whether simulated"}
        return words[self.source.simulated]

    @property
    def pooled(self) -> str:
        """How the predictions of a metric were put together, for captions."""
        return "on a cohort that took no part in development" if self.source.is_external else "pooled over scored folds"

    @property
    def fitted(self) -> str:
        """Which fits a table rests on, for captions."""
        return "in the development cohort" if self.source.is_external else "without the scored fold"

    def caption(self, text: str, *, counted: str = "") -> str:
        """Return a caption that ends with n and with what is simulated.

        Args:
            text: whole sentences.
            counted: n in words where it is not that of the whole table.
        """
        return f"{text} {'; '.join(filter(None, (counted or self.counted, self.kind)))}."


def label(metric: str) -> str:
    """Return the heading of a metric."""
    return LABELS.get(metric, metric.replace("_", " "))


def at(threshold: float) -> str:
    """Return a T-score threshold as text."""
    return f"T = {threshold:g}".replace("-", MINUS)


def anchor(threshold: float) -> str:
    """Return a T-score threshold as part of a name: letters and digits alone."""
    return f"t{threshold:g}".replace("-", "m").replace(".", "p")


THRESHOLDS = WHO_THRESHOLDS


def rows(table: pd.DataFrame, **where: object) -> list[Row]:
    """Return the rows of a table in which each named column has the given value."""
    for name, value in where.items():
        table = table[table[name] == value]
    return table.to_dict("records")


def one(table: pd.DataFrame, **where: object) -> Row | None:
    """Return the first such row; None where there is none."""
    found = rows(table, **where)
    return found[0] if found else None


def reasons(found: list[Row]) -> tuple[str, ...]:
    """Return the different reasons that rows give, each once, in order."""
    texts = (str(row.get("reason") or "") for row in found)
    return tuple(dict.fromkeys(text for text in texts if text and text != "nan"))
