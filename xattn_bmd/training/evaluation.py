"""The folder of a finished external validation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from xattn_bmd.errors import RunError
from xattn_bmd.metrics.class_predictions import read_class_predictions
from xattn_bmd.metrics.predictions import read_predictions
from xattn_bmd.report.write import write_report
from xattn_bmd.training.external_classes import DROP
from xattn_bmd.training.runs.result_tables import CLASS_HEADS, CONFUSION
from xattn_bmd.training.runs.run import CLASS_PREDICTIONS, PREDICTIONS


@dataclass(frozen=True)
class Evaluation:
    """A finished external validation.

    Attributes:
        folder: where its tables lie.
        simulated: whether the radiographs of either cohort are simulated.
        classes: names of the classes; empty for a density.
    """

    folder: Path
    simulated: bool
    classes: tuple[str, ...] = ()

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Estimates beside measured densities or true classes, one row per radiograph and model."""
        if self.classes:
            return read_class_predictions(self.folder / PREDICTIONS, classes=self.classes)
        return read_predictions(self.folder / PREDICTIONS)

    def metrics(self) -> pd.DataFrame:
        """Regression metrics of every model, or metrics of each class, with patient-bootstrap 95 % intervals."""
        return pd.read_csv(self.folder / "metrics.csv")

    def screening(self) -> pd.DataFrame:
        """Screening metrics at T = -1 and -2.5 of the reference that the predictor was developed with.

        Raises:
            RunError: if the predictors are of classes.
        """
        if self.classes:
            raise RunError(
                f"Screening cuts a density at a T-score, but {self.folder} is of the classes "
                f"{', '.join(self.classes)}; ask for metrics() or confusion()."
            )
        return pd.read_csv(self.folder / "screening.csv")

    def confusion(self) -> pd.DataFrame:
        """Confusion matrix of every model: counts by true and predicted class.

        Raises:
            RunError: if the predictors are of a density.
        """
        if not self.classes:
            raise RunError(
                f"A confusion table is that of classes, but {self.folder} is of a density; ask for screening()."
            )
        return pd.read_csv(self.folder / CONFUSION)

    def report(self) -> Path:
        """Write ``report.html`` with internal beside external results, and ``report/`` with the same as files."""
        return write_report(self.folder)

    @cached_property
    def class_predictions(self) -> pd.DataFrame | None:
        """What the class heads beside the density say, as :attr:`Run.class_predictions`; None without one."""
        path = self.folder / CLASS_PREDICTIONS
        return read_class_predictions(path) if path.is_file() else None

    def class_heads(self) -> pd.DataFrame:
        """Classes called by the predicted density, by the class head, and the paired difference.

        Raises:
            RunError: if no predictor has a class head.
        """
        if self.class_predictions is None:
            raise RunError(
                f"This table is that of a class head beside the density's, but the predictors of {self.folder} have "
                "none; train them with model.class_head='classes' or 'ordinal'."
            )
        return pd.read_csv(self.folder / CLASS_HEADS)

    def drop(self) -> pd.DataFrame:
        """Internal beside external: every metric in both cohorts, and its change with a 95 % interval."""
        return pd.read_csv(self.folder / DROP)
