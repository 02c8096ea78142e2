"""The Lightning Trainer of one fit."""

from __future__ import annotations

import multiprocessing
import sys

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping

from xattn_bmd.config import CompareConfig, TrainingConfig
from xattn_bmd.errors import ConfigError
from xattn_bmd.training.device import torch_device
from xattn_bmd.training.fits.averaged_weights import AveragedWeights
from xattn_bmd.training.fits.callbacks import BestWeights, History
from xattn_bmd.training.fits.ddp import Course, RankSetup, SpreadStrategy, SpreadTrainer
from xattn_bmd.training.fits.precision import settled_precision

LARGEST_GRADIENT = 1.0
"""Norm to which longer gradients are cut."""


def build_trainer(config: CompareConfig, *, best: BestWeights, history: History, accumulate: int = 1) -> pl.Trainer:
    """Return the Trainer of one fit: no logger, no checkpoint files, no bar; metrics once an epoch.

    ``training.compile`` compiles the network, a kernel at a time.  A CUDA graph of the whole step is not offered: it
    replays one recorded step, while Lightning decides in Python, at every step, what to log, clip, sync and schedule.

    With ``training.devices`` above 1 the fit runs in that many new processes (Lightning DDP), and module, ``best`` and
    ``history`` hold its result afterwards.  The listener of ``history`` then hears of the epochs when all are over.  A
    script that starts such a fit keeps its calls under ``if __name__ == "__main__":``.

    Args:
        config: the settings of the comparison.
        best: keeps the best epoch's weights.
        history: collects the metrics.
        accumulate: batches whose gradients are added up before each step.

    Raises:
        ConfigError: if the devices cannot share a fit; see :func:`check_devices`.

    Example:
        >>> trainer = build_trainer(CompareConfig(), best=BestWeights(), history=History())
        >>> trainer.max_epochs, trainer.world_size
        (60, 1)
    """
    training, device = config.training, torch_device(config.training.accelerator)
    check_devices(training)
    spread, course = training.devices > 1, Course(best, history)
    callbacks = [best, history, EarlyStopping("val_loss", patience=training.patience, check_finite=True)]
    if training.averaging != "none":  # last: it takes the mean out again when the others have seen it
        callbacks.append(AveragedWeights(training.averaging, epochs=training.averaged_epochs))
    trainer = (SpreadTrainer if spread else pl.Trainer)(
        max_epochs=training.epochs,
        accelerator=device.type,
        devices=training.devices,
        strategy=SpreadStrategy() if spread else "auto",
        use_distributed_sampler=False,
        sync_batchnorm=spread and device.type == "cuda",
        precision=settled_precision(training.precision, device),
        callbacks=[*callbacks, RankSetup(training.threads), course] if spread else callbacks,
        accumulate_grad_batches=accumulate,
        gradient_clip_val=LARGEST_GRADIENT,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1_000_000,
        deterministic="warn" if device.type == "cuda" else None,
    )
    if isinstance(trainer, SpreadTrainer):
        trainer.course = course
    return trainer


def batch_size_per_device(config: TrainingConfig) -> int:
    """Return the radiographs that each device sees in a step.

    Raises:
        ConfigError: if the batch cannot be divided among the devices.

    Example:
        >>> batch_size_per_device(TrainingConfig(batch_size=16, devices=2))
        8
    """
    share, rest = divmod(config.batch_size, config.devices)
    if rest or (config.devices > 1 and share < 2):
        raise ConfigError(
            f"training.batch_size is divided evenly among training.devices, at least 2 radiographs each, but "
            f"{config.batch_size} and {config.devices} were given; choose {2 * config.devices} or another multiple."
        )
    return share


def check_devices(config: TrainingConfig, *, workers: int = 1) -> None:
    """Refuse several devices for a fit where they cannot share it.

    Args:
        config: training settings.
        workers: processes that fit at the same time.

    Raises:
        ConfigError: if the batch cannot be divided, devices are missing, or no processes can be started from here.

    Example:
        >>> check_devices(TrainingConfig(devices=1), workers=8)
    """
    batch_size_per_device(config)
    if config.devices == 1:
        return
    asked = f"but training.devices is {config.devices}"
    if workers > 1 or multiprocessing.current_process().daemon:
        raise ConfigError(
            f"A worker cannot start the processes of a fit on several devices, {asked} with {workers} workers; use "
            "several workers with one device each, which is faster where a fit fits one device, or one worker."
        )
    if hasattr(sys, "ps1"):
        raise ConfigError(
            f"A fit on several devices is started by a script or the command line, {asked} in an interactive session; "
            "set it to 1, or run a script."
        )
    device = torch_device(config.accelerator)
    if device.type == "mps" or (device.type == "cuda" and torch.cuda.device_count() < config.devices):
        present = 1 if device.type == "mps" else torch.cuda.device_count()
        raise ConfigError(f"This machine has {present} such device(s), {asked}; set it to {present} or less.")
