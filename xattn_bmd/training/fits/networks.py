"""The networks of one fit: built, trained and put together, from arrays to stored tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import NORMAL_EDGE, OSTEOPOROSIS_EDGE, density_at
from xattn_bmd.config import ModelConfig, TrainingConfig, Weighting
from xattn_bmd.data.datamodule import CohortDataModule
from xattn_bmd.data.views import View, prediction_views
from xattn_bmd.data.withheld import InputDropout
from xattn_bmd.losses.classes import ClassWeights, class_shares, fit_class_weights
from xattn_bmd.losses.density import DensityWeights, fit_weights
from xattn_bmd.metrics.classification import WHO_CLASSES, who_codes
from xattn_bmd.models.fusions.backbone_names import model_config
from xattn_bmd.models.network import FusionNetwork, build_network, frozen_names
from xattn_bmd.seeds import derive_seed
from xattn_bmd.training.fits.callbacks import BestWeights, History
from xattn_bmd.training.fits.estimator import Estimator, joined_tensors
from xattn_bmd.training.fits.module import DensityModule
from xattn_bmd.training.fits.record_models import fit_record
from xattn_bmd.training.fits.trainer import batch_size_per_device, build_trainer
from xattn_bmd.training.registry import uses_both, uses_images
from xattn_bmd.training.study import Job, Study, reference_of


class Trained(NamedTuple):
    """A fitted model; its networks too, where there are some to predict with at once."""

    estimator: Estimator
    history: list[dict[str, float]]
    networks: tuple[FusionNetwork, ...]


class _Fitted(NamedTuple):
    """A network fitted from one seed."""

    data: CohortDataModule
    network: FusionNetwork
    history: list[dict[str, float]]
    found: dict[str, Any]


def fit_networks(job: Job, study: Study, on_epoch: Callable[[int], None] | None) -> Trained:
    """Fit as many networks as the settings ask for seeds, each from its own seed and nothing else."""
    config = study.config
    each = [_fit_network(job, study, on_epoch, seed=fit_seed(job, study, k)) for k in range(config.training.seeds)]
    data, networks = each[0].data, tuple(one.network for one in each)
    tensors = joined_tensors([_tensors(one.network) for one in each], shared=_frozen(job.model, config.model))
    found = each[0].found if len(each) == 1 else {"seeds": len(each), "fits": [one.found for one in each]}
    estimator = Estimator(
        job.model,
        data.encoder,
        model_config(job.model, config.model),
        tensors,
        fit_record(job, study) | found,
        _views(job.model, config.training),
        classes=study.cohort.roles.classes,
    )
    history = [row if len(each) == 1 else {"seed": k} | row for k, one in enumerate(each) for row in one.history]
    return Trained(estimator, history, () if config.training.compile else networks)


def fit_seed(job: Job, study: Study, number: int) -> int:
    """Return the seed of one of a fit's networks; the first has the seed that a single network has.

    Args:
        job: which model, repeat and fold.
        study: its settings hold the user's seed.
        number: which of the networks, from 0.
    """
    more = () if number == 0 else ("seed", number)
    return derive_seed(study.config.seed, job.model, job.repeat, job.fold, *more)


def _fit_network(job: Job, study: Study, on_epoch: Callable[[int], None] | None, *, seed: int) -> _Fitted:
    batch_size = batch_size_per_device(study.config.training)
    return study.batch_parts.fit(
        lambda parts: _train_network(job, study, on_epoch, batch_size=batch_size // parts, parts=parts, seed=seed),
        batch_size=batch_size,
    )


def _train_network(
    job: Job, study: Study, on_epoch: Callable[[int], None] | None, *, batch_size: int, parts: int, seed: int
) -> _Fitted:
    config = study.config
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
            class_shares=_class_shares(study, targets),
        )
        weights = _weights(study, targets)
        reference = None if config.reference is None else get_reference(config.reference)
        module = DensityModule(network, config=config.training, weights=weights, reference=reference)
        build_trainer(config, best=best, history=history, accumulate=parts).fit(module, datamodule=data)
    found = {"epoch": best.epoch, "validation_loss": best.loss, "epochs_run": len(history.rows), "batch_parts": parts}
    return _Fitted(data, network, history.rows, found)


def _class_shares(study: Study, targets: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the share of each class in the training part: of the target, or of a class head beside a density."""
    if study.config.model.class_head == "none":
        return class_shares(targets, classes=len(study.cohort.roles.classes))
    return class_shares(
        who_codes(targets, reference=get_reference(reference_of(study.config))), classes=len(WHO_CLASSES)
    )


def _weights(study: Study, targets: NDArray[np.float64]) -> DensityWeights | ClassWeights | None:
    training, classes = study.config.training, len(study.cohort.roles.classes)
    if not classes:
        return loss_weights(targets, weighting=training.weighting, reference=reference_of(study.config))
    return fit_class_weights(targets, classes=classes) if training.weighting == "class_frequency" else None


def _tensors(network: FusionNetwork) -> dict[str, NDArray[Any]]:
    return {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}


def _frozen(model: str, config: ModelConfig) -> frozenset[str]:
    return frozen_names(model_config(model, config)) if uses_images(model) else frozenset()


def _views(model: str, config: TrainingConfig) -> tuple[View, ...]:
    count = config.test_views if uses_images(model) else 1
    return prediction_views(count, augment=config.augment)


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
        dropout=_input_dropout(job.model, config.model),
        batch_size=batch_size,
        seed=seed,
        cache=study.cache_folder,
        use_images=uses_images(job.model),
        images=study.images_of(job.model) if uses_images(job.model) else None,
        use_masks=uses_images(job.model) and config.model.mask_head != "none",
    )


def _input_dropout(model: str, config: ModelConfig) -> InputDropout:
    """Return what is withheld from a model in training: never the one input that it reads."""
    both = uses_both(model)
    return InputDropout(
        image=config.image_dropout if both else 0.0,
        record=config.record_dropout if both else 0.0,
        variable=config.variable_dropout,
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
