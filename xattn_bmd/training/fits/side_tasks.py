"""What a network learns beside its target, from the same batch: a mask, the classes of the density."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from xattn_bmd.bone.reference import Reference
from xattn_bmd.config import HeadName, TrainingConfig
from xattn_bmd.errors import ConfigError, ModelError
from xattn_bmd.losses.joint import FIRST_DENSITY_LOSS, DensityClasses, class_loss
from xattn_bmd.losses.mask import mask_loss
from xattn_bmd.models.network import FusionNetwork, Output
from xattn_bmd.types import Batch


@dataclass(frozen=True, kw_only=True)
class SideTasks:
    """The tasks of a network beside its target.

    Attributes:
        mask: whether it has a mask head.
        class_head: name of its class head, or None.
        classes: where the classes of that head begin, or None.
    """

    mask: bool
    class_head: HeadName | None = None
    classes: DensityClasses | None = None

    @classmethod
    def of(cls, network: FusionNetwork, *, reference: Reference | None) -> SideTasks:
        """Return those of a network.

        Args:
            network: the network.
            reference: whose cut-offs class the densities; read where it has a class head.

        Raises:
            ConfigError: if it has a class head and there is no reference.
        """
        mask, head = network.mask_head is not None, network.class_head
        if head is None:
            return cls(mask=mask)
        if reference is None:
            raise ConfigError(
                "A class head learns the classes of densities at the cut-offs of a reference, but none was given; pass "
                "reference=get_reference(NAME)."
            )
        return cls(mask=mask, class_head=head.name, classes=DensityClasses.of(reference))

    def weights(self, config: TrainingConfig) -> list[float]:
        """Return the weight of each task's loss beside that of the target, in the order of :meth:`losses`."""
        weights = [config.mask_weight] if self.mask else []
        if self.classes is not None:
            weights.append(config.class_weight * FIRST_DENSITY_LOSS[self.classes.unit])
        return weights

    def losses(self, predicted: Output, batch: Batch) -> dict[str, Tensor]:
        """Return the loss of each task by name.

        Raises:
            ModelError: if the batch came without masks and there is a mask head.
        """
        found = {"mask_loss": _mask_loss(predicted, batch)} if self.mask else {}
        log_B3 = predicted.class_log_probabilities
        if self.classes is not None and self.class_head is not None and log_B3 is not None:
            found["class_loss"] = class_loss(log_B3, batch.target, classes=self.classes, head=self.class_head)
        return found


def _mask_loss(predicted: Output, batch: Batch) -> Tensor:
    if predicted.mask is None or batch.mask is None or batch.has_mask is None:
        raise ModelError(
            "A mask head learns from masks, but this batch came without; give the cohort its masks and make the data "
            "module with use_masks=True."
        )
    return mask_loss(predicted.mask, batch.mask, batch.has_mask)
