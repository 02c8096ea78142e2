"""One fit: a model on one fold of a plan, from raw arrays to a scored fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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
from xattn_bmd.training.estimator import Estimator
from xattn_bmd.training.features import frozen_features
from xattn_bmd.training.module import DensityModule
from xattn_bmd.training.registry import uses_images
from xattn_bmd.training.tabular import TABULAR, TabularData, fit_tabular
from xattn_bmd.types import PREDICTION_COLUMNS


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
        predictions: the scored fold, columns ``PREDICTION_COLUMNS``.
        history: one row per epoch; empty for scikit-learn baselines.
    """

    estimator: Estimator
    predictions: pd.DataFrame
    history: list[dict[str, float]] = field(default_factory=list)


def fit_job(job: Job, study: Study, *, on_epoch: Callable[[int], None] | None = None) -> FoldResult:
    """Fit one model on the training part of one fold and predict the scored part.

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
    cache = study.open_cache() if estimator.uses_images else None
    rows = _rows(study.cohort, split.test)
    accelerator = study.config.training.accelerator
    predicted = estimator.predict(study.cohort, cache=cache, rows=rows, accelerator=accelerator)
    if not np.all(np.isfinite(predicted)):
        raise RunError(
            f"Predictions must be finite, but {job.model} diverged on repeat {job.repeat}, fold {job.fold}; "
            "lower the learning rate."
        )
    return FoldResult(estimator, _prediction_table(job, study.cohort, rows, predicted), history)


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
    cohort, nested = study.cohort, study.config.protocol == "nested"
    rows = _rows(cohort, (*split.train, *split.validation) if nested else split.train)
    scored = _rows(cohort, split.test)
    encoder = VariableEncoder.fit(cohort.table.iloc[rows], cohort.schema)
    design = encoder.design_matrix(cohort.table)[0]
    data = TabularData(
        train=design[rows],
        target=cohort.targets[rows],
        patients=[cohort.patient_ids[row] for row in rows],
        choose_on=None if nested else (design[scored], cohort.targets[scored]),
        seed=derive_seed(study.config.seed, job.model, job.repeat, job.fold),
    )
    tensors, chosen = fit_tabular(job.model, data)
    return Estimator(job.model, encoder, None, dict(tensors), _record(job, study) | {"chosen": chosen})


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


def _prediction_table(job: Job, cohort: Cohort, rows: list[int], predicted: NDArray[np.float64]) -> pd.DataFrame:
    columns = {
        "radiograph_id": [cohort.radiograph_ids[row] for row in rows],
        "patient_id": [cohort.patient_ids[row] for row in rows],
        "site": [cohort.sites[row] for row in rows],
        "model": job.model,
        "repeat": job.repeat,
        "fold": job.fold,
        "target": cohort.targets[rows],
        "prediction": predicted,
    }
    return pd.DataFrame(columns, columns=list(PREDICTION_COLUMNS))
