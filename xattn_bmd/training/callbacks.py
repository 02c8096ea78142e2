"""Small Lightning callbacks of one fit; every fit gets fresh ones."""

from __future__ import annotations

from collections.abc import Callable

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor


class BestWeights(Callback):
    """Keeps the weights of the epoch with the lowest validation loss in memory and restores them after the fit.

    Nothing is pickled and no checkpoint file is written; a kill costs this fit alone.

    Attributes:
        epoch: the kept epoch, from 0, or -1 before the first validation.
        loss: its validation loss.
    """

    def __init__(self) -> None:
        self.epoch = -1
        self.loss = float("inf")
        self._state: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Copy the weights if they are the best so far."""
        if trainer.sanity_checking:
            return
        loss = float(trainer.callback_metrics["val_loss"])
        if loss < self.loss:
            self.loss, self.epoch = loss, trainer.current_epoch
            self._state = {name: value.detach().clone() for name, value in pl_module.state_dict().items()}

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Load the kept weights; a fit whose loss was never finite keeps its last ones."""
        if self._state:
            pl_module.load_state_dict(self._state)


class History(Callback):
    """Collects one row of metrics per epoch.

    Attributes:
        rows: ``{"epoch", "train_loss", "val_loss", "val_mae"}`` per epoch.
    """

    def __init__(self, on_epoch: Callable[[int], None] | None = None) -> None:
        self.rows: list[dict[str, float]] = []
        self._on_epoch = on_epoch

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Append this epoch's metrics and tell the listener that it is over."""
        metrics = {name: float(torch.as_tensor(value)) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": float(trainer.current_epoch), **metrics})
        if self._on_epoch is not None:
            self._on_epoch(trainer.current_epoch)
