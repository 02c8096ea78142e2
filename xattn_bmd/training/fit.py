"""One fit: a model on one fold of a plan, from raw arrays to a scored fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import EarlyStopping

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import NORMAL_EDGE, OSTEOPOROSIS_EDGE, density_at
from xattn_bmd.config import CompareConfig, Weighting
from xattn_bmd.data.cache import ImageCache, cached_images
from xattn_bmd.data.cohort import Cohort
from xattn_bmd.data.datamodule import CohortDataModule, cohort_pictures
from xattn_bmd.data.folds import FoldPlan, Split
from xattn_bmd.data.variables import VariableEncoder
from xattn_bmd.errors import RunError
from xattn_bmd.losses import DensityWeights, fit_weights
from xattn_bmd.models.network import build_network
from xattn_bmd.seeds import derive_seed
from xattn_bmd.training.callbacks import BestWeights, History
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.estimator import Estimator, head_columns
from xattn_bmd.training.features import frozen_features
from xattn_bmd.training.module import DensityModule
from xattn_bmd.training.registry import uses_images
from xattn_bmd.training.tabular import TABULAR, TabularData, fit_tabular, refit_tabular
from xattn_bmd.types import PREDICTION_COLUMNS

ATTENTION_COLUMNS = ("model", "repeat", "fold", "variable", "attention", "n")
"""Columns of ``attention.csv``: mean attention of the image patches of ``n`` scored radiographs on each variable."""


@dataclass(frozen=True)
class Job:
    """One fit: a model on a fold of a repeat."""

    model: str
    repeat: int
    fold: int


@dataclass(frozen=True)
class Study:
    """What all fits of a comparison share."""

    cohort: Cohort
    plan: FoldPlan
    config: CompareConfig
    cache_folder: Path

    def open_cache(self) -> ImageCache:
        """Open the decoded images; decodes only what no earlier run has decoded."""
        return cached_images(self.cohort.image_paths, image=self.config.image, folder=self.cache_folder)

    def open_features(self, progress: Callable[[int, int], None] | None = None) -> NDArray[np.float32] | None:
        """Open a frozen trunk's feature maps of the whole cohort, or return None where the trunk is trained.

        Computes only what no earlier run has computed.
        """
        if self.config.model.freeze != "trunk":
            return None
        return frozen_features(
            cohort_pictures(self.cohort, self.open_cache()),
            model=self.config.model,
            augmentation=self.config.training.augment,
            seed=self.config.seed,
            device=torch_device(self.config.training.accelerator),
            folder=self.cache_folder,
            progress=progress,
        )

    @cached_property
    def features(self) -> NDArray[np.float32] | None:
        """The opened feature maps, kept for all fits of this process."""
        return self.open_features()


@dataclass(frozen=True)
class FoldResult:
    """A finished fit.

    Attributes:
        estimator: the fitted model.
        predictions: the scored fold: :func:`table_columns`.
        calibration: the inner validation part, same columns; None under the protocol ``paper``, which has none.
        history: one row per epoch; empty for scikit-learn baselines.
        attention: mean attention over the scored fold, :data:`ATTENTION_COLUMNS`; None for a model without any.
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
    split = study.plan.split(job.repeat, job.fold, study.config.protocol)
    history: list[dict[str, float]] = []
    if job.model in TABULAR:
        estimator = _fit_tabular(job, study, split)
    else:
        estimator, history = _fit_network(job, study, on_epoch)
    scored = _prediction_table(job, study, estimator, split.test)
    attention = _attention_table(job, study, estimator, split.test)
    if study.config.protocol == "paper":
        return FoldResult(estimator, scored, history=history, attention=attention)
    held_out = _without_validation(job, study, split, estimator) if job.model in TABULAR else estimator
    calibration = _prediction_table(job, study, held_out, split.validation)
    return FoldResult(estimator, scored, calibration, history, attention)


def table_columns(config: CompareConfig) -> list[str]:
    """Return the columns of a comparison's predictions; those of a head come last, where a network has one.

    Example:
        >>> table_columns(CompareConfig()) == list(PREDICTION_COLUMNS)
        True
    """
    networks = any(name not in TABULAR for name in config.models)
    return [*PREDICTION_COLUMNS, *(head_columns(config.model.head) if networks else ())]


def _fit_network(
    job: Job, study: Study, on_epoch: Callable[[int], None] | None
) -> tuple[Estimator, list[dict[str, float]]]:
    config, seed = study.config, derive_seed(study.config.seed, job.model, job.repeat, job.fold)
    training = config.training
    data = CohortDataModule(
        study.cohort,
        plan=study.plan,
        repeat=job.repeat,
        fold=job.fold,
        protocol=config.protocol,
        image=config.image,
        augment=training.augment,
        batch_size=training.batch_size,
        seed=seed,
        cache=study.cache_folder,
        use_images=uses_images(job.model),
        features=study.features if uses_images(job.model) else None,
    )
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
        weights = loss_weights(targets, weighting=training.weighting, reference=reference_of(config))
        module = DensityModule(network, config=training, weights=weights)
        _trainer(config, best, history).fit(module, datamodule=data)
    tensors = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    record = _record(job, study) | {"epoch": best.epoch, "validation_loss": best.loss, "epochs_run": len(history.rows)}
    return Estimator(job.model, data.encoder, config.model, tensors, record), history.rows


def reference_of(config: CompareConfig) -> str:
    """Return the name of the reference population of a comparison's settled configuration."""
    assert config.reference is not None, "a comparison settles the reference before it is run"
    return config.reference


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


def _trainer(config: CompareConfig, best: BestWeights, history: History) -> pl.Trainer:
    training = config.training
    return pl.Trainer(
        max_epochs=training.epochs,
        accelerator=training.accelerator,
        devices=1,
        precision=training.precision,
        callbacks=[best, history, EarlyStopping("val_loss", patience=training.patience, check_finite=True)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1_000_000,
        gradient_clip_val=1.0,
        deterministic="warn" if torch_device(training.accelerator).type == "cuda" else None,
    )


def _fit_tabular(job: Job, study: Study, split: Split) -> Estimator:
    nested = study.config.protocol == "nested"
    encoder, data = _tabular_data(job, study, (*split.train, *split.validation) if nested else split.train)
    if not nested:
        scored = _rows(study.cohort, split.test)
        design = encoder.design_matrix(study.cohort.table)[0]
        data = replace(data, choose_on=(design[scored], study.cohort.targets[scored]))
    tensors, chosen = fit_tabular(job.model, data)
    return Estimator(job.model, encoder, None, dict(tensors), _record(job, study) | {"chosen": chosen})


def _without_validation(job: Job, study: Study, split: Split, fitted: Estimator) -> Estimator:
    encoder, data = _tabular_data(job, study, split.train)
    tensors = refit_tabular(job.model, data, chosen=fitted.record["chosen"])
    return replace(fitted, encoder=encoder, tensors=dict(tensors))


def _tabular_data(job: Job, study: Study, radiograph_ids: tuple[str, ...]) -> tuple[VariableEncoder, TabularData]:
    cohort, rows = study.cohort, _rows(study.cohort, radiograph_ids)
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


def _rows(cohort: Cohort, radiograph_ids: tuple[str, ...]) -> list[int]:
    position = {name: row for row, name in enumerate(cohort.radiograph_ids)}
    return sorted(position[name] for name in radiograph_ids)


def _attention_table(
    job: Job, study: Study, estimator: Estimator, radiograph_ids: tuple[str, ...]
) -> pd.DataFrame | None:
    rows = _rows(study.cohort, radiograph_ids)
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


def _prediction_table(job: Job, study: Study, estimator: Estimator, radiograph_ids: tuple[str, ...]) -> pd.DataFrame:
    cohort, rows = study.cohort, _rows(study.cohort, radiograph_ids)
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
