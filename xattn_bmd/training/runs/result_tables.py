"""The result tables of a run, by what its target is: which there are, and how each is made."""

from __future__ import annotations

import io

import pandas as pd

from xattn_bmd.bone.density_classes import class_names
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.config import CompareConfig
from xattn_bmd.config_losses import CLASS_HEAD_NAMES
from xattn_bmd.data.target_roles import ClassRole
from xattn_bmd.metrics.class_predictions import read_class_predictions
from xattn_bmd.metrics.crossfit import calibration_rows
from xattn_bmd.metrics.predictions import read_calibration, read_predictions
from xattn_bmd.metrics.tables.class_comparisons import class_comparisons_table
from xattn_bmd.metrics.tables.class_confusion import class_confusion_table
from xattn_bmd.metrics.tables.class_heads import class_heads_table
from xattn_bmd.metrics.tables.class_metrics import class_metrics_table
from xattn_bmd.metrics.tables.comparisons import comparisons_table
from xattn_bmd.metrics.tables.regression import metrics_table
from xattn_bmd.metrics.tables.screening import screening_table
from xattn_bmd.models.fusions.named import is_fusion
from xattn_bmd.training.study import reference_of

METRICS, SCREENING, CONFUSION, COMPARISONS = "metrics.csv", "screening.csv", "confusion.csv", "comparisons.csv"
CLASS_HEADS = "class_heads.csv"
BASE = "concat"
"""Model that the others are compared with, where the run has it."""


def table_names(config: CompareConfig) -> tuple[str, ...]:
    """Return the names of a run's result tables.

    Example:
        >>> table_names(CompareConfig())
        ('metrics.csv', 'screening.csv', 'comparisons.csv')
    """
    shared = METRICS, CONFUSION if of_classes(config) else SCREENING, COMPARISONS
    return (*shared, CLASS_HEADS) if has_class_heads(config) else shared


def has_class_heads(config: CompareConfig) -> bool:
    """Tell whether a model of a run has a class head beside that of the density."""
    return config.model.class_head != "none" and any(map(is_fusion, config.models))


def of_classes(config: CompareConfig) -> bool:
    """Tell whether the target of a run's settled settings is a class."""
    return config.model.head in CLASS_HEAD_NAMES


def base_model(models: tuple[str, ...]) -> str:
    """Return the model that others are compared with for classes: ``concat`` where it is there, else the first.

    Example:
        >>> base_model(("image_only", "concat")), base_model(("image_only@resnet50", "ridge"))
        ('concat', 'image_only@resnet50')
    """
    return BASE if BASE in models else models[0]


def density_tables(
    predictions: str, *, calibration: str, class_predictions: str, config: CompareConfig
) -> dict[str, pd.DataFrame]:
    """Return the result tables of densities.

    Args:
        predictions: text of ``predictions.csv``.
        calibration: text of ``calibration.csv``; empty where there is none.
        class_predictions: text of ``class_predictions.csv``; empty where there is none.
        config: settings of the run.
    """
    given, reference, seed = (
        read_predictions(io.StringIO(predictions)),
        get_reference(reference_of(config)),
        config.seed,
    )
    kept = calibration_rows(read_calibration(io.StringIO(calibration))) if calibration else None
    tables = {
        METRICS: metrics_table(given, seed=seed),
        SCREENING: screening_table(given, reference, calibration=kept, seed=seed),
        COMPARISONS: comparisons_table(given, reference=reference, against=BASE, seed=seed),
    }
    if class_predictions:
        said = read_class_predictions(io.StringIO(class_predictions), classes=class_names(reference))
        tables[CLASS_HEADS] = class_heads_table(given, said, reference, calibration=kept, seed=seed)
    return tables


def class_tables(predictions: str, *, target: ClassRole, config: CompareConfig) -> dict[str, pd.DataFrame]:
    """Return the result tables of classes.

    Args:
        predictions: text of ``predictions.csv``.
        target: the classes.
        config: settings of the run.
    """
    names, seed = target.classes, config.seed
    given = read_class_predictions(io.StringIO(predictions), classes=names)
    return {
        METRICS: class_metrics_table(given, classes=names, ordered=target.ordered, seed=seed),
        CONFUSION: class_confusion_table(given, classes=names),
        COMPARISONS: class_comparisons_table(given, against=base_model(config.models), classes=names, seed=seed),
    }
