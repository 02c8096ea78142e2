"""A fit of a scikit-learn baseline on one fold of a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from xattn_bmd.data.folds import Split
from xattn_bmd.data.variables import VariableEncoder
from xattn_bmd.seeds import derive_seed
from xattn_bmd.training.fits.estimator import Estimator
from xattn_bmd.training.fits.tabular import fit_tabular, refit_tabular
from xattn_bmd.training.fits.tabular_model import TabularData
from xattn_bmd.training.study import Job, Study, rows_of


def fit_record_model(job: Job, study: Study, split: Split) -> Estimator:
    """Fit a baseline on training and validation part; under the protocol ``paper`` on the training part alone.

    Args:
        job: which model, repeat and fold.
        study: what all fits share.
        split: parts of the fold.
    """
    nested = study.config.protocol == "nested"
    encoder, data = _tabular_data(job, study, (*split.train, *split.validation) if nested else split.train)
    if not nested:
        scored = rows_of(study.cohort, split.test)
        design = encoder.design_matrix(study.cohort.table)[0]
        data = replace(data, choose_on=(design[scored], study.cohort.targets[scored]))
    tensors, chosen = fit_tabular(job.model, data)
    record = fit_record(job, study) | {"chosen": chosen}
    return Estimator(job.model, encoder, None, dict(tensors), record, classes=study.cohort.roles.classes)


def without_validation(job: Job, study: Study, split: Split, fitted: Estimator) -> Estimator:
    """Fit a baseline once more with its chosen hyper-parameter, on the training part alone."""
    encoder, data = _tabular_data(job, study, split.train)
    tensors = refit_tabular(job.model, data, chosen=fitted.record["chosen"])
    return replace(fitted, encoder=encoder, tensors=dict(tensors))


def fit_record(job: Job, study: Study) -> dict[str, Any]:
    """Return what every fit says of where it comes from."""
    return {
        "repeat": job.repeat,
        "fold": job.fold,
        "protocol": study.config.protocol,
        "plan_hash": study.plan.hash,
    }


def _tabular_data(job: Job, study: Study, radiograph_ids: tuple[str, ...]) -> tuple[VariableEncoder, TabularData]:
    cohort, rows = study.cohort, rows_of(study.cohort, radiograph_ids)
    encoder = VariableEncoder.fit(cohort.table.iloc[rows], cohort.schema)
    data = TabularData(
        train=encoder.design_matrix(cohort.table)[0][rows],
        target=cohort.targets[rows],
        patients=[cohort.patient_ids[row] for row in rows],
        choose_on=None,
        seed=derive_seed(study.config.seed, job.model, job.repeat, job.fold),
        classes=len(cohort.roles.classes),
    )
    return encoder, data
