"""The folder of a finished comparison, read back as a :class:`Run`."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import yaml

from xattn_bmd.bone.density_classes import class_names
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.config import CompareConfig, from_dict
from xattn_bmd.data.folds import FoldPlan
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.errors import RunError
from xattn_bmd.metrics.class_predictions import read_class_predictions
from xattn_bmd.metrics.crossfit import calibration_rows
from xattn_bmd.metrics.predictions import read_calibration, read_predictions
from xattn_bmd.metrics.tables.class_comparisons import class_comparisons_table
from xattn_bmd.metrics.tables.comparisons import comparisons_table
from xattn_bmd.metrics.tables.inputs import read_inputs
from xattn_bmd.metrics.tables.masks import dice_table
from xattn_bmd.metrics.tables.screening import screening_table
from xattn_bmd.report.write import write_report
from xattn_bmd.training.runs.result_tables import BASE, CLASS_HEADS, COMPARISONS, CONFUSION, METRICS, SCREENING
from xattn_bmd.training.runs.run_record import read_record_table
from xattn_bmd.training.study import reference_of

CONFIG, PLAN, COHORT = "config.yaml", "fold_plan.json", "cohort.json"
ENVIRONMENT, PREDICTIONS = "environment.json", "predictions.csv"
CALIBRATION, RECORD, ATTENTION = "calibration.csv", "record.csv", "attention.csv"
INPUTS, MASKS, CLASS_PREDICTIONS = "inputs.csv", "masks.csv", "class_predictions.csv"


@dataclass(frozen=True)
class Run:
    """A finished comparison.

    Attributes:
        folder: the run folder.
        config: the settings of the comparison.
        plan: the fold plan that every model was scored on.
        simulated: whether the radiographs are simulated.
    """

    folder: Path
    config: CompareConfig
    plan: FoldPlan
    simulated: bool

    @property
    def optimistic(self) -> bool:
        """True where checkpoints were chosen on the scored fold (protocol ``paper``)."""
        return self.config.protocol == "paper"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the target's classes, in their order; empty where it is a density."""
        return self._roles.classes

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Out-of-fold predictions of every model: one row per radiograph, model and repeat."""
        if self.classes:
            return read_class_predictions(self.folder / PREDICTIONS, classes=self.classes)
        return read_predictions(self.folder / PREDICTIONS)

    @cached_property
    def calibration(self) -> pd.DataFrame | None:
        """What each fold's models predict for the fold's inner validation part, or None (``paper``, or classes).

        Columns as in the predictions; ``fold`` is the scored fold whose model made the prediction.  How the rows were
        made: :func:`xattn_bmd.training.fits.fit.fit_job`.
        """
        path = self.folder / CALIBRATION
        return read_calibration(path) if path.is_file() else None

    @cached_property
    def attention(self) -> pd.DataFrame | None:
        """Attention of the image patches to each clinical variable, by model, repeat and fold; None without any.

        Attention says where a network looked for keys, not why it predicted what it did.
        """
        path = self.folder / ATTENTION
        return pd.read_csv(path) if path.is_file() else None

    @cached_property
    def inputs(self) -> pd.DataFrame | None:
        """Out-of-fold predictions with the picture or the record withheld, or None where no model was trained for it.

        Columns as in the predictions, and ``inputs``: what the model still saw, ``image`` or ``record``.  The models
        and folds are those of the predictions.
        """
        path = self.folder / INPUTS
        return read_inputs(path) if path.is_file() else None

    @cached_property
    def masks(self) -> pd.DataFrame | None:
        """Agreement of the masks found out of fold with those drawn, or None for a run without a mask head.

        Columns: :data:`~xattn_bmd.metrics.tables.masks.MASK_COLUMNS`, a row for each radiograph that has a mask.
        """
        path = self.folder / MASKS
        return pd.read_csv(path, dtype={"radiograph_id": str, "patient_id": str}) if path.is_file() else None

    def dice(self) -> pd.DataFrame:
        """Mean Dice and intersection over union of every model's mask head, with patient-bootstrap 95 % intervals.

        Raises:
            RunError: if the run has no mask head.
        """
        if self.masks is None:
            raise RunError(
                f"Dice is that of a mask head, but the models in {self.folder} have none; run `compare` with "
                "model.mask_head='unet' and a cohort with masks."
            )
        return dice_table(self.masks, seed=self.config.seed)

    @cached_property
    def class_predictions(self) -> pd.DataFrame | None:
        """What the class heads beside the density say out of fold, or None for a run without one.

        A table of class predictions (:func:`~xattn_bmd.metrics.tables.class_metrics.class_metrics_table`): ``target``
        is the class of the measured density, ``prediction`` the likeliest class, ``probability_CLASS`` its chance.
        Radiographs, models and folds are those of the predictions; a scikit-learn baseline or a stack has no such head.
        """
        path = self.folder / CLASS_PREDICTIONS
        if not path.is_file():
            return None
        return read_class_predictions(path, classes=class_names(get_reference(reference_of(self.config))))

    def class_heads(self) -> pd.DataFrame:
        """Classes called by the predicted density, by the class head, and the paired difference.

        Returns:
            :func:`~xattn_bmd.metrics.tables.class_heads.class_heads_table`, for every model with a class head.

        Raises:
            RunError: if the run has no class head.
        """
        if self.class_predictions is None:
            raise RunError(
                f"This table is that of a class head beside the density's, but the models in {self.folder} have none; "
                "run `compare` with model.class_head='classes' or 'ordinal'."
            )
        return _stored(self.folder / CLASS_HEADS)

    @cached_property
    def record(self) -> pd.DataFrame | None:
        """Clinical record of every radiograph, as in the cohort's table; None in a run that kept none.

        ``radiograph_id``, ``patient_id``, ``site``, ``side`` and the categorical variables are text, empty where not
        known; the numeric variables are numbers, NaN where not known.
        """
        return read_record_table(self.folder / RECORD, numeric=self._roles.schema.numeric)

    def metrics(self) -> pd.DataFrame:
        """Regression metrics of every model, or metrics of each class, with patient-bootstrap 95 % intervals."""
        return _stored(self.folder / METRICS)

    def confusion(self) -> pd.DataFrame:
        """Confusion matrix of every model: counts by true and predicted class.

        Raises:
            RunError: if the target is a density.
        """
        if not self.classes:
            raise RunError(
                f"A confusion table is that of classes, but {self.folder} predicts a density; ask for screening()."
            )
        return _stored(self.folder / CONFUSION)

    def screening(self, *, thresholds: Sequence[float] | None = None) -> pd.DataFrame:
        """Screening metrics, with the reference population named in every row.

        Args:
            thresholds: T-scores; None takes the stored table of T = -1 and -2.5.

        Raises:
            ConfigError: if a threshold is not a finite number.
            RunError: if the target is a class.
        """
        if self.classes:
            raise RunError(
                f"Screening cuts a density at a T-score, but {self.folder} predicts the classes "
                f"{', '.join(self.classes)}; ask for metrics() or confusion()."
            )
        if thresholds is None:
            return _stored(self.folder / SCREENING)
        calibration = None if self.calibration is None else calibration_rows(self.calibration)
        reference = get_reference(reference_of(self.config))
        return screening_table(
            self.predictions, reference, thresholds=thresholds, calibration=calibration, seed=self.config.seed
        )

    def comparisons(self) -> pd.DataFrame:
        """Every model compared with ``concat`` on the same radiographs.

        Where ``concat`` was not run: with the first model for classes, and empty for a density.
        """
        return _stored(self.folder / COMPARISONS)

    def comparison(self, model_a: str, model_b: str = BASE) -> pd.DataFrame:
        """Paired comparison of two models: difference and relative change of each metric, with intervals.

        Args:
            model_a: the model of interest.
            model_b: the model it is compared with.

        Raises:
            RunError: if the run does not hold one of the models.
        """
        for name in (model_a, model_b):
            if name not in self.config.models:
                near = difflib.get_close_matches(name, self.config.models, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else "."
                raise RunError(
                    f"A comparison takes two models of the run ({', '.join(self.config.models)}), "
                    f"but {name!r} was given{hint}"
                )
        both = self.predictions[self.predictions["model"].isin([model_a, model_b])]
        if self.classes:
            return class_comparisons_table(both, against=model_b, classes=self.classes, seed=self.config.seed)
        reference = get_reference(reference_of(self.config))
        return comparisons_table(both, reference=reference, against=model_b, seed=self.config.seed)

    def report(self) -> Path:
        """Write ``report.html`` with all statistics and figures, and ``report/`` with the same as files.

        Returns:
            The page; see :func:`xattn_bmd.report.write.write_report`.
        """
        return write_report(self.folder, seed=self.config.seed)

    @cached_property
    def _roles(self) -> CohortRoles:
        return CohortRoles.from_dict(json.loads((self.folder / COHORT).read_text())["roles"])


def load_run(folder: str | Path) -> Run:
    """Open a finished run folder.

    Args:
        folder: the folder that ``compare`` wrote.

    Raises:
        RunError: if it is no run folder, or the comparison in it is not finished.
    """
    folder = Path(folder)
    for name in (CONFIG, PLAN, COHORT):
        if not (folder / name).is_file():
            raise RunError(f"A run folder holds {name}, but {folder} does not; give the folder that `compare` wrote.")
    if not (folder / PREDICTIONS).is_file():
        raise RunError(
            f"A finished run holds {PREDICTIONS}, but {folder} does not; run the same `compare` command again to "
            "continue it."
        )
    config = from_dict(yaml.safe_load((folder / CONFIG).read_text()))
    cohort = json.loads((folder / COHORT).read_text())
    return Run(folder, config, FoldPlan.load(folder / PLAN), bool(cohort["simulated"]))


def _stored(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise RunError(
            f"A finished run holds {path.name}, but {path.parent} does not; run `compare` again to write it."
        )
    return pd.read_csv(path)
