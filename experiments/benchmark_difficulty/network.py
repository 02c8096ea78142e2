"""The image network whose readings are measured: trained once on the development cohort, kept as safetensors."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from settings import People, Settings

from xattn_bmd import (
    Cohort,
    CohortDataModule,
    DensityModule,
    FoldPlan,
    ImageConfig,
    ModelConfig,
    TrainingConfig,
    build_network,
)
from xattn_bmd.atomic import atomic_write

MODEL = ModelConfig(backbone="tf_efficientnet_lite0", weights="pretrained")
BATCH = 32
RATE = 1e-3
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)


def described(settings: Settings) -> str:
    """Return in words how the network is trained."""
    return (
        f"EfficientNet-Lite0 from ImageNet, fine-tuned whole on {settings.n:,} at {settings.pixels} pixels, "
        f"{settings.epochs} epoch(s)"
    )


def trained(settings: Settings) -> DensityModule:
    """Return the trained network; a stored one is loaded, so that each part may run by itself."""
    config = TrainingConfig(loss="smooth_l1", epochs=settings.epochs, batch_size=BATCH, learning_rate=RATE)
    data = _development(settings, config)
    pl.seed_everything(settings.seed, verbose=False)
    targets = data.train_targets
    network = build_network(
        fusion="image_only", schema=data.schema, config=MODEL,
        target_mean=float(targets.mean()), target_sd=float(targets.std()),
    )  # fmt: skip
    module, path = DensityModule(network, config=config), _weights_file(settings)
    if path.exists():
        network.load_state_dict(load_file(path))
    else:
        _fit(module, data, epochs=settings.epochs)
        state = {name: value.contiguous() for name, value in network.state_dict().items()}
        atomic_write(path, save(state))
    return module.eval()


def readings(module: DensityModule, people: People, settings: Settings) -> pd.DataFrame:
    """Return the table of a cohort with the network's reading of each radiograph in the column ``read``, g/cm²."""
    cohort = Cohort.from_csv(people.table(settings))
    data = CohortDataModule(
        cohort, plan=FoldPlan.make(cohort, folds=2), image=ImageConfig(size=settings.pixels), cache=_cache(settings)
    )
    return cohort.table.assign(read=_predicted(module, data, count=len(cohort)))


def _development(settings: Settings, config: TrainingConfig) -> CohortDataModule:
    """Return development cohort and other people as one: fold 0 scores the others, and leaks are refused."""
    tables = [people.table(settings) for people in (settings.development, settings.others)]
    cohorts = [Cohort.from_csv(path) for path in tables]
    named = [
        cohort.table.assign(image=[str(path.parent.resolve() / "images" / name) for name in cohort.table["image"]])
        for cohort, path in zip(cohorts, tables, strict=True)
    ]
    both = Cohort.from_table(pd.concat(named), roles=cohorts[0].roles, images=tables[0].parent / "images")
    # "paper" trains on every other fold, here the whole development cohort; its validation part, the scored people, is
    # never looked at, for nothing is validated and the last epoch is kept.
    return CohortDataModule(
        both, plan=_plan(cohorts[0], cohorts[1]), protocol="paper", image=ImageConfig(size=settings.pixels),
        augment=config.augment, batch_size=BATCH, seed=settings.seed, cache=_cache(settings),
    )  # fmt: skip


def _plan(development: Cohort, others: Cohort) -> FoldPlan:
    fold_of = dict.fromkeys(others.radiograph_ids, 0) | dict.fromkeys(development.radiograph_ids, 1)
    validation = tuple(_first_patient(cohort) for cohort in (development, others))
    pairs = [pair for one in (development, others) for pair in zip(one.radiograph_ids, one.patient_ids, strict=True)]
    return FoldPlan(dict(pairs), (fold_of,), (validation,), made_by="other people are scored")


def _first_patient(cohort: Cohort) -> tuple[str, ...]:
    pairs = zip(cohort.radiograph_ids, cohort.patient_ids, strict=True)
    return tuple(name for name, patient in pairs if patient == cohort.patient_ids[0])


def _fit(module: DensityModule, data: CohortDataModule, *, epochs: int) -> None:
    trainer = pl.Trainer(
        max_epochs=epochs, precision="32-true", gradient_clip_val=1.0, limit_val_batches=0, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, callbacks=[Said()],
    )  # fmt: skip
    trainer.fit(module, datamodule=data)


@torch.inference_mode()
def _predicted(module: DensityModule, data: CohortDataModule, *, count: int) -> NDArray[np.float64]:
    batches = torch.arange(count).split(64)
    return torch.cat([module(data.batch(rows)) for rows in batches]).double().numpy()


def _weights_file(settings: Settings) -> Path:
    name = f"image_{settings.n}_{settings.size}_{settings.pixels}_{settings.epochs}_seed{settings.seed}.safetensors"
    return settings.work / name


def _cache(settings: Settings) -> Path:
    return settings.work / "cache"


class Said(pl.Callback):
    """Prints the loss of every epoch."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print it."""
        print(f"  epoch {trainer.current_epoch}: loss {float(trainer.callback_metrics['train_loss']):.5f}", flush=True)
