"""What every head is: a small perceptron whose raw outputs a subclass reads."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from xattn_bmd.config import HeadName


class Estimate(NamedTuple):
    """What a head says of each patient, in single precision under any autocast.

    Attributes:
        density: ``(B,)`` g/cm²: the prediction, the mean, or the median; NaN from a head of classes.
        sd: ``(B,)`` g/cm², positive: SD of a Gaussian head; None for the others.
        quantiles: ``(B, 3)`` g/cm², ascending: 5, 50 and 95 % of a quantile head; None for the others.
        log_probabilities: ``(B, K)`` natural logarithm of the probability of each class; None from a head of density.
    """

    density: Tensor
    sd: Tensor | None = None
    quantiles: Tensor | None = None
    log_probabilities: Tensor | None = None


class Head(nn.Module):
    """``MLP(LN(vector))``, read by a subclass.

    Shape:
        ``(B, D)`` → :class:`Estimate` of ``B`` patients.

    Args:
        width: width ``D`` of the fused vector.
        dropout: dropout rate.
        outputs: number of raw outputs.
    """

    name: ClassVar[HeadName]

    def __init__(self, *, width: int, dropout: float, outputs: int) -> None:
        super().__init__()
        last = nn.Linear(width, outputs)
        nn.init.normal_(last.weight, std=0.1 / math.sqrt(width))
        nn.init.zeros_(last.bias)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), last)

    def forward(self, vector_BD: Tensor) -> Estimate:
        """Return what the head says of each patient."""
        return self.read(self.mlp(vector_BD).float())

    @abstractmethod
    def read(self, z: Tensor) -> Estimate:
        """Return the estimate that ``(B, outputs)`` raw outputs stand for."""


def no_density(like_BK: Tensor) -> Tensor:
    """Return ``(B,)`` NaN: a class is no density, and whoever takes it for one must see it."""
    return torch.full_like(like_BK[:, 0], float("nan"))
