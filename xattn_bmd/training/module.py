"""The Lightning module: one network, its loss, its optimiser; usable with any Trainer."""

from __future__ import annotations

from collections.abc import Iterable

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from xattn_bmd.config import TrainingConfig, check_head_loss
from xattn_bmd.losses import DensityWeights, build_loss
from xattn_bmd.models.network import FusionNetwork, Output
from xattn_bmd.types import Batch


class DensityModule(pl.LightningModule):
    """Trains a fusion network on density in g/cm².

    Logs, once an epoch: ``train_loss``, ``val_loss`` (the unweighted training loss) and ``val_mae`` in g/cm².

    Args:
        network: the network; it returns density in g/cm².
        config: loss, optimiser and schedule.
        weights: loss weights fitted on the training part, or None for equal weights.

    Raises:
        ConfigError: if the loss does not train the network's head.

    Example:
        >>> from xattn_bmd.config import ModelConfig
        >>> from xattn_bmd.models.network import build_network
        >>> from xattn_bmd.types import VariableSchema
        >>> schema = VariableSchema(numeric=("age",), categorical=(("sex", ("female", "male")),))
        >>> network = build_network(fusion="metadata_only", schema=schema, config=ModelConfig(backbone="test_resnet"),
        ...                         target_mean=0.88, target_sd=0.15)
        >>> DensityModule(network, config=TrainingConfig()).config.beta
        0.05
    """

    def __init__(
        self, network: FusionNetwork, *, config: TrainingConfig, weights: DensityWeights | None = None
    ) -> None:
        super().__init__()
        check_head_loss(network.head.name, config.loss)
        self.network = network.to(memory_format=torch.channels_last)
        self.config = config
        self._loss = build_loss(config)
        self._weights = weights

    def forward(self, batch: Batch) -> Tensor:
        """Return ``(B,)`` density in g/cm²."""
        return self._predict(batch).density

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted loss of a batch."""
        loss = self._loss(self._predict(batch), batch.target, self._weight(batch.target))
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.target), sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss and the mean absolute error of a batch."""
        predicted = self._predict(batch)
        loss = self._loss(predicted, batch.target, torch.ones_like(batch.target))
        error = (predicted.density - batch.target).abs().mean()
        self.log_dict({"val_loss": loss, "val_mae": error}, batch_size=len(batch.target), sync_dist=True)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the mean absolute error of a batch of the scored fold."""
        error = (self(batch) - batch.target).abs().mean()
        self.log("test_mae", error, batch_size=len(batch.target), sync_dist=True)

    def predict_step(self, batch: Batch, batch_idx: int) -> tuple[Tensor, Tensor]:
        """Return ``(row (B,), density (B,) in g/cm²)``."""
        return batch.row, self(batch)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW without decay on biases and norms, under a one-cycle schedule stepped every batch."""
        steps = int(self.trainer.estimated_stepping_batches)
        optimizer = torch.optim.AdamW(
            _decay_groups(self.network, self.config.weight_decay), lr=self.config.learning_rate
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=self.config.learning_rate, total_steps=max(steps, 2), pct_start=0.2
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _predict(self, batch: Batch) -> Output:
        output: Output = self.network(batch.image, batch.variables, batch.features)
        return output

    def _weight(self, target: Tensor) -> Tensor:
        return torch.ones_like(target) if self._weights is None else self._weights(target)


def _decay_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": _of_rank(trainable, matrix=True), "weight_decay": weight_decay},
        {"params": _of_rank(trainable, matrix=False), "weight_decay": 0.0},
    ]


def _of_rank(parameters: Iterable[nn.Parameter], *, matrix: bool) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if (parameter.ndim >= 2) is matrix]
