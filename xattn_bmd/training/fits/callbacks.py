"""Small Lightning callbacks of one fit; every fit gets fresh ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn


class BestWeights(Callback):
    """Keeps the weights of the epoch with the lowest validation loss in memory and restores them after the fit.

    Only tensors that training changes are copied.  Nothing is pickled and no checkpoint file is written; a kill costs
    this fit alone.

    Attributes:
        epoch: the kept epoch, from 0, or -1 before the first validation.
        loss: its validation loss.
    """

    def __init__(self) -> None:
        self.epoch = -1
        self.loss = float("inf")
        self._kept: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Copy the weights if they are the best so far."""
        if trainer.sanity_checking:
            return
        loss = float(trainer.callback_metrics["val_loss"])
        if loss < self.loss:
            self.loss, self.epoch = loss, trainer.current_epoch
            self._keep(trained_tensors(pl_module))

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Load the kept weights; a fit whose loss was never finite keeps its last ones."""
        present = trained_tensors(pl_module)
        for name, value in self._kept.items():
            present[name].copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """Return the best epoch and its loss, without weights."""
        return {"epoch": self.epoch, "loss": self.loss}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned in another process."""
        self.epoch, self.loss = state_dict["epoch"], state_dict["loss"]

    def _keep(self, present: dict[str, Tensor]) -> None:
        if not self._kept:
            self._kept = {name: value.clone() for name, value in present.items()}
        else:
            for name, value in present.items():
                self._kept[name].copy_(value)


def trained_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a state dict that training changes, detached, by name.

    Left out are frozen parameters, and buffers that lie beside frozen parameters alone, such as the running mean of a
    frozen batch norm.

    Example:
        >>> norm = nn.BatchNorm1d(2).requires_grad_(False)
        >>> list(trained_tensors(nn.Sequential(nn.Linear(2, 2), norm)))
        ['0.weight', '0.bias']
    """
    fixed: set[str] = set()
    for prefix, part in module.named_modules(remove_duplicate=False):
        own = dict(part.named_parameters(recurse=False))
        names = [name for name, parameter in own.items() if not parameter.requires_grad]
        if own and len(names) == len(own):
            names += [name for name, _ in part.named_buffers(recurse=False)]
        fixed |= {f"{prefix}.{name}" if prefix else name for name in names}
    return {name: value.detach() for name, value in module.state_dict().items() if name not in fixed}


class History(Callback):
    """Collects one row of metrics per epoch.

    Args:
        on_epoch: called with the number of each finished epoch.

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

    def state_dict(self) -> dict[str, Any]:
        """Return the rows."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the rows of another process, and tell the listener of each epoch now."""
        self.rows = state_dict["rows"]
        if self._on_epoch is not None:
            for row in self.rows:
                self._on_epoch(int(row["epoch"]))

    def __getstate__(self) -> dict[str, Any]:
        """What travels to another process: not the listener, which belongs to this one."""
        return self.__dict__ | {"_on_epoch": None}
