"""What a fitted model says of one fold, as tables: its predictions, and where its attention went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.config import CompareConfig
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.withheld import LEFT, Withheld
from xattn_bmd.errors import RunError
from xattn_bmd.metrics.class_checks import probability_columns
from xattn_bmd.models.fusions.named import is_fusion
from xattn_bmd.models.network import FusionNetwork
from xattn_bmd.training.fits.averaging import Estimates
from xattn_bmd.training.fits.class_table import class_head_table, class_table_columns
from xattn_bmd.training.fits.estimator import PLACE_COLUMNS, Estimator, head_columns
from xattn_bmd.training.study import Job, Study, reference_of, rows_of, unit_of
from xattn_bmd.types import PREDICTION_COLUMNS, UNIT_COLUMN

ATTENTION_COLUMNS = ("model", "repeat", "fold", "variable", "attention", "n")
"""Columns of ``attention.csv``: mean attention of the image patches of ``n`` scored radiographs on each variable."""

INPUTS_COLUMN = "inputs"
"""Last column of ``inputs.csv``: what the model still saw, ``image`` or ``record``."""


def table_columns(config: CompareConfig, *, classes: Sequence[str] = ()) -> list[str]:
    """Return the columns of a comparison's predictions.

    Those of a head come behind :data:`~xattn_bmd.types.PREDICTION_COLUMNS`, where a network has one, and then the unit,
    where it is not g/cm².

    Args:
        config: settings of the comparison.
        classes: names of the classes, each with a column of its probability; none for a density.

    Example:
        >>> table_columns(CompareConfig()) == list(PREDICTION_COLUMNS)
        True
    """
    if classes:
        return [*PREDICTION_COLUMNS, *probability_columns(classes)]
    networks = any(map(is_fusion, config.models))
    unit = () if unit_of(config) == "g/cm2" else (UNIT_COLUMN,)
    return [*PREDICTION_COLUMNS, *(head_columns(config.model.head) if networks else ()), *unit]


class FoldTables(NamedTuple):
    """What a fitted model says of one part of a fold.

    Attributes:
        predictions: :func:`table_columns`.
        attention: mean over the radiographs, :data:`ATTENTION_COLUMNS`; None for a model without any.
        classes: what its class head says, :func:`~xattn_bmd.training.fits.class_table.class_table_columns`; None for
            a model without one.
    """

    predictions: pd.DataFrame
    attention: pd.DataFrame | None
    classes: pd.DataFrame | None


def fold_tables(
    job: Job,
    study: Study,
    estimator: Estimator,
    radiograph_ids: tuple[str, ...],
    *,
    networks: Sequence[FusionNetwork] = (),
) -> FoldTables:
    """Return what a fitted model says of some radiographs.

    Args:
        job: which fit.
        study: what all fits share.
        estimator: the fitted model.
        radiograph_ids: radiographs of the study's cohort.
        networks: the estimator's networks, where they are at hand; else they are built.

    Raises:
        RunError: if a prediction is not finite.
    """
    rows = rows_of(study.cohort, radiograph_ids)
    said = _said(job, study, estimator, rows, networks=networks)
    read = None if said.attention is None else _mean_attention(job, estimator, said.attention)
    classes = _classes(job, study, rows, said.table) if estimator.has_class_head else None
    return FoldTables(_predictions(job, study, rows, said.table), read, classes)


def withheld_table(
    job: Job,
    study: Study,
    estimator: Estimator,
    radiograph_ids: tuple[str, ...],
    *,
    networks: Sequence[FusionNetwork] = (),
) -> pd.DataFrame | None:
    """Return what a fitted model says of some radiographs with their picture or their record withheld.

    Args:
        job: which fit.
        study: what all fits share.
        estimator: the fitted model.
        radiograph_ids: radiographs of the study's cohort.
        networks: the estimator's networks, where they are at hand; else they are built.

    Returns:
        :func:`table_columns` and :data:`INPUTS_COLUMN`, a row for each radiograph and input withheld; None for a model
        that was not trained with inputs withheld.

    Raises:
        RunError: if a prediction is not finite.
    """
    rows = rows_of(study.cohort, radiograph_ids)
    parts = []
    for what in estimator.may_withhold:
        said = _said(job, study, estimator, rows, networks=networks, withheld=what)
        parts.append(_predictions(job, study, rows, said.table).assign(**{INPUTS_COLUMN: LEFT[what]}))
    return pd.concat(parts, ignore_index=True) if parts else None


def _said(
    job: Job,
    study: Study,
    estimator: Estimator,
    rows: list[int],
    *,
    networks: Sequence[FusionNetwork],
    withheld: Withheld | None = None,
) -> Estimates:
    said = estimator.estimate(
        study.cohort,
        images=study.images_of(job.model) if estimator.uses_images else None,
        rows=rows,
        accelerator=study.config.training.accelerator,
        networks=networks,
        withheld=withheld,
    )
    if not np.isfinite(said.table.select_dtypes("number").to_numpy()).all():
        raise RunError(
            f"Predictions must be finite, but {job.model} diverged on repeat {job.repeat}, fold {job.fold}; "
            "lower the learning rate."
        )
    return said


def _predictions(job: Job, study: Study, rows: list[int], predicted: pd.DataFrame) -> pd.DataFrame:
    cohort = study.cohort
    shared = _shared(job, cohort, rows) | {"target": _measured(cohort, rows)}
    table = pd.concat([pd.DataFrame(shared), predicted], axis=1)
    table = table.assign(**{UNIT_COLUMN: unit_of(study.config)})
    return table.reindex(columns=table_columns(study.config, classes=cohort.roles.classes))


def _classes(job: Job, study: Study, rows: list[int], said: pd.DataFrame) -> pd.DataFrame:
    """Return what a class head says beside the classes of the measured densities."""
    reference = get_reference(reference_of(study.config))
    table = class_head_table(said[list(PLACE_COLUMNS)].to_numpy(), study.cohort.targets[rows], reference=reference)
    return table.assign(**_shared(job, study.cohort, rows))[class_table_columns(reference)]


def _shared(job: Job, cohort: Cohort, rows: list[int]) -> dict[str, Any]:
    return {
        "radiograph_id": [cohort.radiograph_ids[row] for row in rows],
        "patient_id": [cohort.patient_ids[row] for row in rows],
        "site": [cohort.sites[row] for row in rows],
        "model": job.model,
        "repeat": job.repeat,
        "fold": job.fold,
    }


def _measured(cohort: Cohort, rows: list[int]) -> NDArray[np.float64] | list[str]:
    names = cohort.roles.classes
    return [names[int(cohort.targets[row])] for row in rows] if names else cohort.targets[rows]


def _mean_attention(job: Job, estimator: Estimator, attention: NDArray[np.float64]) -> pd.DataFrame:
    columns = {
        "model": job.model,
        "repeat": job.repeat,
        "fold": job.fold,
        "variable": estimator.encoder.schema.names,
        "attention": attention.mean(axis=0),
        "n": len(attention),
    }
    return pd.DataFrame(columns, columns=list(ATTENTION_COLUMNS))
