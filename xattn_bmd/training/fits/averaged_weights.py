"""Means of a network's weights over the last epochs of a fit: stochastic weight averaging, or an exponential mean."""

from __future__ import annotations

from collections import deque
from typing import cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from xattn_bmd.config import Averaging
from xattn_bmd.data.datamodule import CohortDataModule
from xattn_bmd.training.fits.callbacks import trained_tensors


class AveragedWeights(Callback):
    """Validates the mean of the last epochs' weights in place of the last weights; training goes on with the latter.

    So early stopping and the choice of the epoch (:class:`~xattn_bmd.training.fits.callbacks.BestWeights`, which must
    stand before this in the list of callbacks) are those of the mean, and see the inner validation part alone.

    - ``swa``: the mean of the weights at the end of each of the last epochs (Izmailov et al. 2018, arXiv 1803.05407;
      as a moving mean Kaddour 2022, arXiv 2209.14981), which early stopping may end at any time.
    - ``ema``: ``m ← m + (w - m) (1 - d) / (1 - d^t)`` after step ``t``, an exponential mean without any weight on its
      start; ``d`` gives it a mean age of ``epochs`` epochs.

    The running statistics of a batch norm belong to the weights before it, so they are not averaged but measured anew:
    on the training part, each picture once as it is.  Frozen layers keep theirs.

    Args:
        kind: ``"swa"`` or ``"ema"``.
        epochs: epochs of the mean.
    """

    def __init__(self, kind: Averaging, *, epochs: int) -> None:
        self._kind, self._epochs = kind, epochs
        self._ends: deque[dict[str, Tensor]] = deque(maxlen=epochs)
        self._mean: dict[str, Tensor] = {}
        self._latest: dict[str, Tensor] = {}
        self._steps = 0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Follow the weights after each step of the optimiser."""
        if self._kind != "ema" or trainer.global_step == self._steps:
            return
        self._steps = trainer.global_step
        age = max(1.0, self._epochs * trainer.num_training_batches / trainer.accumulate_grad_batches)
        decay = age / (age + 1.0)
        rate = (1.0 - decay) / (1.0 - decay**self._steps)
        for name, value in _learnt(pl_module).items():
            if name in self._mean:
                self._mean[name].lerp_(value, rate)
            else:
                self._mean[name] = value.clone()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the mean in the place of the last weights."""
        if trainer.sanity_checking:
            return
        learnt = _learnt(pl_module)
        if self._kind == "swa":
            self._ends.append({name: value.clone() for name, value in learnt.items()})
            self._mean = {name: torch.stack([end[name] for end in self._ends]).mean(dim=0) for name in learnt}
        self._latest = {name: value.clone() for name, value in trained_tensors(pl_module).items()}
        for name, value in learnt.items():
            value.copy_(self._mean[name])
        measure_batch_norms(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on with the last weights."""
        for name, value in trained_tensors(pl_module).items():
            if name in self._latest:
                value.copy_(self._latest[name])
        self._latest = {}


def measure_batch_norms(trainer: pl.Trainer, module: pl.LightningModule) -> None:
    """Measure the running statistics of all batch norms that are trained, with the weights as they are.

    As :func:`torch.optim.swa_utils.update_bn`: the mean of the batches' statistics, each batch of the training part
    once.  A last batch of one is left out.

    Args:
        trainer: its data module holds the training part.
        module: the module.
    """
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and _is_trained(part)]
    if not norms:
        return
    data = cast(CohortDataModule, trainer.datamodule)  # type: ignore[attr-defined]
    before = [(norm, norm.momentum, norm.training) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    with torch.no_grad(), trainer.precision_plugin.forward_context():
        for rows in torch.split(torch.tensor(data.rows_of(data.split.train)), data.batch_size):
            if len(rows) > 1:
                module(data.batch(rows, device=module.device))
    for norm, momentum, training in before:
        norm.momentum = momentum
        norm.train(training)


def _learnt(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in module.named_parameters() if value.requires_grad}


def _is_trained(norm: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in norm.parameters(recurse=False))
