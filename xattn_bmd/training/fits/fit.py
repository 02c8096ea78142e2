"""One fit: a model on one fold of a plan, from raw arrays to a scored fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from xattn_bmd.training.fits.estimator import Estimator
from xattn_bmd.training.fits.fold_tables import fold_tables, withheld_table
from xattn_bmd.training.fits.found_masks import mask_table
from xattn_bmd.training.fits.networks import Trained, fit_networks
from xattn_bmd.training.fits.record_models import fit_record_model, without_validation
from xattn_bmd.training.fits.tabular import TABULAR
from xattn_bmd.training.study import Job, Study
from xattn_bmd.training.threads import compute_threads


@dataclass(frozen=True)
class FoldResult:
    """A finished fit.

    Attributes:
        estimator: the fitted model.
        predictions: the scored fold: :func:`~xattn_bmd.training.fits.fold_tables.table_columns`.
        calibration: the inner validation part, same columns; None under the protocol ``paper``, which has none, and for
            classes, of which nothing is calibrated.
        history: one row per epoch; empty for scikit-learn baselines.
        attention: mean attention over the scored fold,
            :data:`~xattn_bmd.training.fits.fold_tables.ATTENTION_COLUMNS`; None for a model without any.
        inputs: the scored fold with picture or record withheld,
            :func:`~xattn_bmd.training.fits.fold_tables.withheld_table`; None for a model that was not trained so.
        masks: the masks found in the scored fold, :func:`~xattn_bmd.training.fits.found_masks.mask_table`; None for a
            model without a mask head.
        classes: what the class head says of the scored fold,
            :func:`~xattn_bmd.training.fits.class_table.class_table_columns`; None for a model without one.
    """

    estimator: Estimator
    predictions: pd.DataFrame
    calibration: pd.DataFrame | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    attention: pd.DataFrame | None = None
    inputs: pd.DataFrame | None = None
    masks: pd.DataFrame | None = None
    classes: pd.DataFrame | None = None


def fit_job(job: Job, study: Study, *, on_epoch: Callable[[int], None] | None = None) -> FoldResult:
    """Fit one model on the training part of one fold; predict the scored part and the inner validation part.

    The predictions of the validation part calibrate what is built on the scored ones (protocol ``nested``).  A network
    was not trained on that part, but its epoch was chosen there, so errors are a little smaller than on new patients.
    A scikit-learn baseline is fitted on it, so the part is predicted by a second fit: same hyper-parameter, chosen on
    both parts, fitted on the training part alone.

    Args:
        job: which model, repeat and fold.
        study: cohort, plan, settings and cache.
        on_epoch: called with the number of each finished epoch.

    Raises:
        RunError: if training diverges.
    """
    with compute_threads(study.config.training.threads):
        return _fitted(job, study, on_epoch)


def _fitted(job: Job, study: Study, on_epoch: Callable[[int], None] | None) -> FoldResult:
    split = study.plan.split(job.repeat, job.fold, study.config.protocol)
    if job.model in TABULAR:
        trained = Trained(fit_record_model(job, study, split), [], ())
    else:
        trained = fit_networks(job, study, on_epoch)
    estimator, history, networks = trained
    scored, attention, classes = fold_tables(job, study, estimator, split.test, networks=networks)
    inputs = withheld_table(job, study, estimator, split.test, networks=networks)
    masks = mask_table(job, study, estimator, split.test, networks=networks)
    calibration = None
    if study.config.protocol != "paper" and not study.cohort.roles.classes:
        held_out = without_validation(job, study, split, estimator) if job.model in TABULAR else estimator
        calibration = fold_tables(job, study, held_out, split.validation, networks=networks).predictions
    return FoldResult(estimator, scored, calibration, history, attention, inputs, masks, classes)
