"""The loss of a class head beside a density head: its labels are the classes of the measured densities.

Axes: ``B`` patients, ``K`` classes in their order.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from xattn_bmd.bone.density_classes import class_edges, class_names
from xattn_bmd.bone.reference import Reference, Unit
from xattn_bmd.config import HEAD_LOSSES, HeadName
from xattn_bmd.losses.classes import cross_entropy, cumulative

FIRST_DENSITY_LOSS: dict[Unit, float] = {"g/cm2": 0.1, "mg/cm3": 30.0}
"""About what Smooth L1 begins with, where the class loss begins near 1; it makes ``class_weight`` free of the unit."""


@dataclass(frozen=True, kw_only=True)
class DensityClasses:
    """Turns densities into places of classes.

    Attributes:
        names: of the ``K`` classes, from high to low density.
        edges: ``K - 1`` densities below which the next class begins.
        unit: unit of the densities.

    Example:
        >>> from xattn_bmd.bone.reference import QCT_SPINE
        >>> DensityClasses.of(QCT_SPINE)(torch.tensor([130.0, 120.0, 80.0, 79.9])).tolist()
        [0.0, 1.0, 1.0, 2.0]
    """

    names: tuple[str, ...]
    edges: tuple[float, ...]
    unit: Unit

    @classmethod
    def of(cls, reference: Reference) -> DensityClasses:
        """Return the classes of a reference."""
        return cls(names=class_names(reference), edges=class_edges(reference), unit=reference.unit)

    def __call__(self, density: Tensor) -> Tensor:
        """Return the ``(B,)`` float places of densities ``(B,)``, on the same device."""
        below_BT = density.detach()[:, None] < torch.tensor(self.edges, device=density.device)
        return below_BT.sum(dim=1).float()


def class_loss(log_probabilities: Tensor, density: Tensor, *, classes: DensityClasses, head: HeadName) -> Tensor:
    """Return the loss of a class head, every patient counted alike: cross-entropy, or ``cumulative`` for ``ordinal``.

    Args:
        log_probabilities: ``(B, K)``.
        density: ``(B,)`` measured density.
        classes: where its classes begin.
        head: name of the class head.

    Example:
        >>> from xattn_bmd.bone.reference import QCT_SPINE
        >>> chances = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
        >>> measured, classes = torch.tensor([150.0, 60.0]), DensityClasses.of(QCT_SPINE)
        >>> round(float(class_loss(chances.log(), measured, classes=classes, head="classes")), 4)
        0.4581
    """
    loss = cross_entropy if HEAD_LOSSES[head][0] == "cross_entropy" else cumulative
    return loss(log_probabilities, classes(density), torch.ones_like(density))
