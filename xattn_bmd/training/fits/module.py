"""The Lightning module: one network, its loss, its optimiser; usable with any Trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import Precision
from pytorch_lightning.utilities import GradClipAlgorithmType
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer

from xattn_bmd.bone.reference import Reference
from xattn_bmd.config import TrainingConfig, check_head_loss
from xattn_bmd.losses.balance import TaskBalance
from xattn_bmd.losses.build import build_loss
from xattn_bmd.losses.classes import ClassWeights
from xattn_bmd.losses.density import DensityWeights
from xattn_bmd.models.layout import channels_last
from xattn_bmd.models.network import FusionNetwork, Output
from xattn_bmd.training.fits.compiling import compile_network
from xattn_bmd.training.fits.scores import answer, score
from xattn_bmd.training.fits.side_tasks import SideTasks
from xattn_bmd.types import Batch

_FUSED = ("cpu", "cuda")


_WARM_UP = 0.2
"""Share of the steps in which the learning rate rises; at least two steps, which torch's schedule needs."""
_FEWEST_STEPS = 4


class DensityModule(pl.LightningModule):
    """Trains a fusion network on density in g/cm², or, with a head of classes, on classes.

    Logs, once an epoch: ``train_loss``, ``val_loss`` (the unweighted training loss of the target) and ``val_mae`` in
    g/cm² (``val_accuracy`` for classes); with a mask head ``train_mask_loss`` and ``val_mask_loss`` too, with a class
    head ``train_class_loss`` and ``val_class_loss``, and ``train_loss`` is of the target alone.  The epoch is chosen by
    ``val_loss``, so by the target alone: twin and multi-task network are chosen alike.

    Args:
        network: the network; it returns density in g/cm², or probabilities of classes.
        config: loss, optimiser and schedule.
        weights: loss weights fitted on the training part, or None for equal weights.
        reference: whose cut-offs class the densities; read by a class head beside that of the density.

    Raises:
        ConfigError: if the loss does not train the network's head, or a class head has no reference.

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
        self,
        network: FusionNetwork,
        *,
        config: TrainingConfig,
        weights: DensityWeights | ClassWeights | None = None,
        reference: Reference | None = None,
    ) -> None:
        super().__init__()
        check_head_loss(network.head.name, config.loss)
        self.network = channels_last(network)
        self.config = config
        self._weights = weights
        self._beside = SideTasks.of(network, reference=reference)
        weights_beside = self._beside.weights(config)
        self.balance = TaskBalance(config.task_weights, weights=weights_beside) if weights_beside else None
        self._train_means, self._val_means = EpochMeans(), EpochMeans()

    def setup(self, stage: str) -> None:
        """Compile the network where the configuration asks for it; in each process that trains.

        Raises:
            ConfigError: if this machine cannot compile.
        """
        if self.config.compile and stage == "fit":
            compile_network(self.network, device=self.trainer.strategy.root_device)

    def forward(self, batch: Batch) -> Tensor:
        """Return ``(B,)`` density in g/cm², or ``(B, K)`` probabilities of classes."""
        return answer(self._predict(batch))

    def on_train_epoch_start(self) -> None:
        """Begin the means of an epoch."""
        self._train_means = EpochMeans()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted loss of a batch; log its mean with the epoch's last one."""
        predicted, count = self._predict(batch, with_mask=self._beside.mask), len(batch.target)
        losses = {"train_loss": self._loss(predicted, batch.target, self._weight(batch.target))}
        losses |= {f"train_{name}": loss for name, loss in self._beside.losses(predicted, batch).items()}
        self._train_means.add(losses, count)
        if self.trainer.is_last_batch:
            self._log_means(self._train_means)
        total = losses["train_loss"] if self.balance is None else self.balance(*losses.values())
        return self._balanced(total, count)

    def on_validation_epoch_start(self) -> None:
        """Begin the means of a validation."""
        self._val_means = EpochMeans()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add the loss and the score of a batch to those of the validation part."""
        predicted = self._predict(batch, with_mask=self._beside.mask)
        name, value = score(predicted, batch.target)
        loss = self._loss(predicted, batch.target, torch.ones_like(batch.target))
        means = {"val_loss": loss, f"val_{name}": value}
        means |= {f"val_{name}": loss for name, loss in self._beside.losses(predicted, batch).items()}
        self._val_means.add(means, len(batch.target))

    def on_validation_epoch_end(self) -> None:
        """Log the means of the validation part."""
        self._log_means(self._val_means)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the score of a batch of the scored fold: ``test_mae`` or ``test_accuracy``."""
        name, value = score(self._predict(batch), batch.target)
        self.log(f"test_{name}", value, batch_size=len(batch.target), sync_dist=True)

    def predict_step(self, batch: Batch, batch_idx: int) -> tuple[Tensor, Tensor]:
        """Return ``(row (B,), density (B,) in g/cm² or probabilities (B, K))``."""
        return batch.row, self(batch)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW without decay on biases and norms, under a one-cycle schedule stepped every batch.

        The optimiser is fused, but not with a loss scaler (``16-mixed``): a fused step undoes the scaling inside, too
        late for the clipping of gradients.
        """
        steps = int(self.trainer.estimated_stepping_batches)
        optimizer = torch.optim.AdamW(
            _decay_groups(self, self.config.weight_decay),
            lr=self.config.learning_rate,
            fused=self.device.type in _FUSED and self.trainer.precision != "16-mixed",
        )
        total = max(steps, _FEWEST_STEPS)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=self.config.learning_rate, total_steps=total, pct_start=max(_WARM_UP, 2 / total)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Cut long gradients as the Trainer asks.

        Lightning refuses this for every fused optimiser in mixed precision.  Only a loss scaler would make it wrong,
        and bfloat16 has none, so there the clipping of full precision is right.
        """
        if self.trainer.precision != "bf16-mixed":
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        elif gradient_clip_val is not None:
            algorithm = GradClipAlgorithmType(gradient_clip_algorithm or "norm")
            Precision.clip_gradients(self.trainer.precision_plugin, optimizer, gradient_clip_val, algorithm)

    def _log_means(self, means: EpochMeans) -> None:
        """Log means over all radiographs of an epoch, whichever device saw them.

        Lightning's own mean over devices rounds the mean of their counts to a whole number, wrong for uneven shares.
        """
        found = means.values(lambda sums: self.trainer.strategy.reduce(sums, reduce_op="sum"))
        self.log_dict(found, on_step=False, on_epoch=True, batch_size=1, sync_dist=True)

    def _balanced(self, loss: Tensor, count: int) -> Tensor:
        """Scale a device's mean loss so that DDP's mean over devices is the mean over all radiographs of the step."""
        if self.trainer.world_size == 1:
            return loss
        mean_count = self.trainer.strategy.reduce(torch.tensor(float(count), device=loss.device), reduce_op="mean")
        return loss * (count / mean_count)

    def _loss(self, predicted: Output, target: Tensor, weight: Tensor) -> Tensor:
        """Return the loss of the configuration; not kept, since a function made by another travels to no process."""
        return build_loss(self.config)(predicted, target, weight)

    def _predict(self, batch: Batch, *, with_mask: bool = False) -> Output:
        output: Output = self.network(batch.image, batch.variables, batch.features, batch.no_image, with_mask=with_mask)
        return output

    def _weight(self, target: Tensor) -> Tensor:
        return torch.ones_like(target) if self._weights is None else self._weights(target)


class EpochMeans:
    """Means over the radiographs of an epoch; adds up on the device, where logging each step would take longer.

    Example:
        >>> means = EpochMeans()
        >>> means.add({"loss": torch.tensor(1.0)}, 3)
        >>> means.add({"loss": torch.tensor(5.0)}, 1)
        >>> means.values()
        {'loss': tensor(2.)}
    """

    def __init__(self) -> None:
        self._count = 0
        self._sums: dict[str, Tensor] = {}

    def add(self, means: dict[str, Tensor], count: int) -> None:
        """Add the means of a batch of ``count`` radiographs."""
        self._count += count
        for name, value in means.items():
            total = value.detach().float() * count
            self._sums[name] = self._sums[name].add_(total) if name in self._sums else total

    def values(self, over_devices: Callable[[Tensor], Tensor] = lambda sums: sums) -> dict[str, Tensor]:
        """Return the mean of each name.

        Args:
            over_devices: adds up ``(K + 1,)`` sums and count over the devices that share the epoch.
        """
        first = next(iter(self._sums.values()))
        count = torch.full_like(first, self._count)
        *sums, total = over_devices(torch.stack([*self._sums.values(), count]))
        return {name: value / total for name, value in zip(self._sums, sums, strict=True)}


def _decay_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": _of_rank(trainable, matrix=True), "weight_decay": weight_decay},
        {"params": _of_rank(trainable, matrix=False), "weight_decay": 0.0},
    ]


def _of_rank(parameters: Iterable[nn.Parameter], *, matrix: bool) -> list[nn.Parameter]:
    return [parameter for parameter in parameters if (parameter.ndim >= 2) is matrix]
