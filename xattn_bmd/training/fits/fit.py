"""One fit: a model on one fold of a plan, from raw arrays to a scored fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import NORMAL_EDGE, OSTEOPOROSIS_EDGE, density_at
from xattn_bmd.config import Weighting
from xattn_bmd.data.datamodule import CohortDataModule
from xattn_bmd.data.folds import Split
from xattn_bmd.data.variables import VariableEncoder
from xattn_bmd.losses import DensityWeights, fit_weights
from xattn_bmd.models.network import FusionNetwork, build_network
from xattn_bmd.seeds import derive_seed
from xattn_bmd.training.fits.callbacks import BestWeights, History
from xattn_bmd.training.fits.estimator import Estimator
from xattn_bmd.training.fits.fold_tables import fold_tables
from xattn_bmd.training.fits.module import DensityModule
from xattn_bmd.training.fits.tabular import TABULAR, TabularData, fit_tabular, refit_tabular
from xattn_bmd.training.fits.trainer import batch_size_per_device, build_trainer
from xattn_bmd.training.registry import uses_images
from xattn_bmd.training.study import Job, Study, reference_of, rows_of
from xattn_bmd.training.threads import compute_threads


@dataclass(frozen=True)
class FoldResult:
    """A finished fit.

    Attributes:
        estimator: the fitted model.
        predictions: the scored fold: :func:`~xattn_bmd.training.fits.fold_tables.table_columns`.
        calibration: the inner validation part, same columns; None under the protocol ``paper``, which has none.
        history: one row per epoch; empty for scikit-learn baselines.
        attention: mean attention over the scored fold,
            :data:`~xattn_bmd.training.fits.fold_tables.ATTENTION_COLUMNS`; None for a model without any.
    """

    estimator: Estimator
    predictions: pd.DataFrame
    calibration: pd.DataFrame | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    attention: pd.DataFrame | None = None


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


class _Trained(NamedTuple):
    """A fitted model; the network itself too, where there is one to predict with at once."""

    estimator: Estimator
    history: list[dict[str, float]]
    network: FusionNetwork | None


def _fitted(job: Job, study: Study, on_epoch: Callable[[int], None] | None) -> FoldResult:
    split = study.plan.split(job.repeat, job.fold, study.config.protocol)
    if job.model in TABULAR:
        trained = _Trained(_fit_tabular(job, study, split), [], None)
    else:
        trained = _fit_network(job, study, on_epoch)
    estimator, history, network = trained
    scored, attention = fold_tables(job, study, estimator, split.test, network=network)
    if study.config.protocol == "paper":
        return FoldResult(estimator, scored, history=history, attention=attention)
    held_out = _without_validation(job, study, split, estimator) if job.model in TABULAR else estimator
    calibration = fold_tables(job, study, held_out, split.validation, network=network).predictions
    return FoldResult(estimator, scored, calibration, history, attention)


def _fit_network(job: Job, study: Study, on_epoch: Callable[[int], None] | None) -> _Trained:
    batch_size = batch_size_per_device(study.config.training)
    return study.batch_parts.fit(
        lambda parts: _train_network(job, study, on_epoch, batch_size=batch_size // parts, parts=parts),
        batch_size=batch_size,
    )


def _train_network(
    job: Job, study: Study, on_epoch: Callable[[int], None] | None, *, batch_size: int, parts: int
) -> _Trained:
    config, seed = study.config, derive_seed(study.config.seed, job.model, job.repeat, job.fold)
    data = _data(job, study, batch_size=batch_size, seed=seed)
    targets = data.train_targets
    best, history = BestWeights(), History(on_epoch)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        network = build_network(
            fusion=job.model,
            schema=data.schema,
            config=config.model,
            target_mean=float(np.mean(targets)),
            target_sd=float(np.std(targets)) or 1.0,
        )
        weights = loss_weights(targets, weighting=config.training.weighting, reference=reference_of(config))
        module = DensityModule(network, config=config.training, weights=weights)
        build_trainer(config, best=best, history=history, accumulate=parts).fit(module, datamodule=data)
    tensors = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    found = {"epoch": best.epoch, "validation_loss": best.loss, "epochs_run": len(history.rows), "batch_parts": parts}
    estimator = Estimator(job.model, data.encoder, config.model, tensors, _record(job, study) | found)
    return _Trained(estimator, history.rows, None if config.training.compile else network)


def _data(job: Job, study: Study, *, batch_size: int, seed: int) -> CohortDataModule:
    config = study.config
    return CohortDataModule(
        study.cohort,
        plan=study.plan,
        repeat=job.repeat,
        fold=job.fold,
        protocol=config.protocol,
        image=config.image,
        augment=config.training.augment,
        batch_size=batch_size,
        seed=seed,
        cache=study.cache_folder,
        use_images=uses_images(job.model),
        images=study.images if uses_images(job.model) else None,
    )


def loss_weights(targets: NDArray[np.float64], *, weighting: Weighting, reference: str) -> DensityWeights:
    """Return the loss weights of a training part.

    Args:
        targets: ``(N,)`` training densities, g/cm².
        weighting: how weights follow density; see :class:`~xattn_bmd.config.TrainingConfig`.
        reference: name of the reference population whose T-scores bound the bands.

    Example:
        >>> weights = loss_weights(np.array([0.6, 0.8, 1.0, 1.1]), weighting="t_score_bands",
        ...                        reference="lunar_femoral_neck_white_female")
        >>> [round(weight, 3) for weight in weights(torch.tensor([0.6, 1.1])).tolist()]
        [1.455, 0.727]
    """
    population = get_reference(reference)
    low, middle = (float(density_at(t, reference=population)) for t in (OSTEOPOROSIS_EDGE, NORMAL_EDGE))
    return fit_weights(targets, scheme=weighting, thresholds=(low, middle))


def _fit_tabular(job: Job, study: Study, split: Split) -> Estimator:
    nested = study.config.protocol == "nested"
    encoder, data = _tabular_data(job, study, (*split.train, *split.validation) if nested else split.train)
    if not nested:
        scored = rows_of(study.cohort, split.test)
        design = encoder.design_matrix(study.cohort.table)[0]
        data = replace(data, choose_on=(design[scored], study.cohort.targets[scored]))
    tensors, chosen = fit_tabular(job.model, data)
    return Estimator(job.model, encoder, None, dict(tensors), _record(job, study) | {"chosen": chosen})


def _without_validation(job: Job, study: Study, split: Split, fitted: Estimator) -> Estimator:
    encoder, data = _tabular_data(job, study, split.train)
    tensors = refit_tabular(job.model, data, chosen=fitted.record["chosen"])
    return replace(fitted, encoder=encoder, tensors=dict(tensors))


def _tabular_data(job: Job, study: Study, radiograph_ids: tuple[str, ...]) -> tuple[VariableEncoder, TabularData]:
    cohort, rows = study.cohort, rows_of(study.cohort, radiograph_ids)
    encoder = VariableEncoder.fit(cohort.table.iloc[rows], cohort.schema)
    data = TabularData(
        train=encoder.design_matrix(cohort.table)[0][rows],
        target=cohort.targets[rows],
        patients=[cohort.patient_ids[row] for row in rows],
        choose_on=None,
        seed=derive_seed(study.config.seed, job.model, job.repeat, job.fold),
    )
    return encoder, data


def _record(job: Job, study: Study) -> dict[str, Any]:
    return {
        "repeat": job.repeat,
        "fold": job.fold,
        "protocol": study.config.protocol,
        "plan_hash": study.plan.hash,
    }
