"""What a fitted model says of one fold, as tables: its predictions, and where its attention went."""

from __future__ import annotations

import numpy as np
import pandas as pd

from xattn_bmd.config import CompareConfig
from xattn_bmd.errors import RunError
from xattn_bmd.training.estimator import Estimator, head_columns
from xattn_bmd.training.study import Job, Study, rows_of
from xattn_bmd.training.tabular import TABULAR
from xattn_bmd.types import PREDICTION_COLUMNS

ATTENTION_COLUMNS = ("model", "repeat", "fold", "variable", "attention", "n")
"""Columns of ``attention.csv``: mean attention of the image patches of ``n`` scored radiographs on each variable."""


def table_columns(config: CompareConfig) -> list[str]:
    """Return the columns of a comparison's predictions; those of a head come last, where a network has one.

    Example:
        >>> table_columns(CompareConfig()) == list(PREDICTION_COLUMNS)
        True
    """
    networks = any(name not in TABULAR for name in config.models)
    return [*PREDICTION_COLUMNS, *(head_columns(config.model.head) if networks else ())]


def attention_table(
    job: Job, study: Study, estimator: Estimator, radiograph_ids: tuple[str, ...]
) -> pd.DataFrame | None:
    """Return the mean attention over some radiographs, :data:`ATTENTION_COLUMNS`; None for a model without any."""
    rows = rows_of(study.cohort, radiograph_ids)
    cache = study.open_cache() if estimator.uses_images else None
    accelerator = study.config.training.accelerator
    read = estimator.attention_to_variables(study.cohort, cache=cache, rows=rows, accelerator=accelerator)
    if read is None:
        return None
    columns = {
        "model": job.model,
        "repeat": job.repeat,
        "fold": job.fold,
        "variable": estimator.encoder.schema.names,
        "attention": read.mean(axis=0),
        "n": len(read),
    }
    return pd.DataFrame(columns, columns=list(ATTENTION_COLUMNS))


def prediction_table(job: Job, study: Study, estimator: Estimator, radiograph_ids: tuple[str, ...]) -> pd.DataFrame:
    """Return what a fitted model predicts for some radiographs: :func:`table_columns`.

    Raises:
        RunError: if a prediction is not finite.
    """
    cohort, rows = study.cohort, rows_of(study.cohort, radiograph_ids)
    cache = study.open_cache() if estimator.uses_images else None
    accelerator = study.config.training.accelerator
    predicted = estimator.predict_table(cohort, cache=cache, rows=rows, accelerator=accelerator)
    if not np.isfinite(predicted.to_numpy()).all():
        raise RunError(
            f"Predictions must be finite, but {job.model} diverged on repeat {job.repeat}, fold {job.fold}; "
            "lower the learning rate."
        )
    columns = {
        "radiograph_id": [cohort.radiograph_ids[row] for row in rows],
        "patient_id": [cohort.patient_ids[row] for row in rows],
        "site": [cohort.sites[row] for row in rows],
        "model": job.model,
        "repeat": job.repeat,
        "fold": job.fold,
        "target": cohort.targets[rows],
    }
    table = pd.concat([pd.DataFrame(columns), predicted], axis=1)
    return table.reindex(columns=table_columns(study.config))
