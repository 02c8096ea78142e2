"""Result tables of an external validation of classes."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.target_roles import ClassRole
from xattn_bmd.metrics.class_checks import probability_columns
from xattn_bmd.metrics.tables.class_comparisons import class_comparisons_table
from xattn_bmd.metrics.tables.class_confusion import class_confusion_table
from xattn_bmd.metrics.tables.class_metrics import class_metrics_table
from xattn_bmd.training.external_drop import EXTERNAL, external_drop
from xattn_bmd.training.external_rows import external_rows
from xattn_bmd.training.fits.class_table import probability_table, with_likeliest
from xattn_bmd.training.prediction.class_development import ClassDevelopment
from xattn_bmd.training.prediction.development import Development
from xattn_bmd.training.prediction.fold_estimates import FoldEstimates
from xattn_bmd.training.runs.result_tables import COMPARISONS, CONFUSION, METRICS, base_model
from xattn_bmd.types import PREDICTION_COLUMNS

DROP = "drop.csv"


def class_predictions(
    cohort: Cohort, estimates: Mapping[str, FoldEstimates], *, classes: tuple[str, ...]
) -> pd.DataFrame:
    """Return the table of class predictions: mean probabilities of each predictor's fold models.

    Args:
        cohort: ``N`` radiographs with classes.
        estimates: what the fold models say, by model.
        classes: names of the classes.
    """
    shared = external_rows(cohort) | {"target": [classes[int(place)] for place in cohort.targets]}
    said = {
        model: with_likeliest(probability_table(one.each.mean(axis=0), classes), classes)
        for model, one in estimates.items()
    }
    parts = [table.assign(**shared, model=model) for model, table in said.items()]
    return pd.concat(parts, ignore_index=True)[[*PREDICTION_COLUMNS, *probability_columns(classes)]]


def class_tables(
    predictions: pd.DataFrame,
    developments: Mapping[str, Development | ClassDevelopment],
    *,
    target: ClassRole,
    seed: int,
    replicates: int,
) -> dict[str, pd.DataFrame]:
    """Return every result table by the name of its file.

    Args:
        predictions: from :func:`class_predictions`.
        developments: what each predictor keeps of its development, by model.
        target: the classes.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.
    """
    names, against = target.classes, base_model(tuple(developments))
    metrics = class_metrics_table(
        predictions, classes=names, ordered=target.ordered, seed=seed, replicates=replicates
    ).assign(method=EXTERNAL)
    drop = external_drop([metrics.rename(columns={"class": "average"})], developments)
    return {
        METRICS: metrics,
        CONFUSION: class_confusion_table(predictions, classes=names),
        COMPARISONS: class_comparisons_table(
            predictions, against=against, classes=names, seed=seed, replicates=replicates
        ),
        DROP: drop.drop(columns="threshold").rename(columns={"average": "class"}),
    }
