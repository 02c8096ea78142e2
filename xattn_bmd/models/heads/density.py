"""The heads that turn a fused vector into a density, and what they say about how sure it is."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from xattn_bmd.errors import ModelError
from xattn_bmd.models.heads.head import Estimate, Head

LEAST_SD = 0.01
"""Smallest SD of a Gaussian head, as a share of the SD of the training density (0.0015 g/cm², below any scanner)."""

_SOFTPLUS_OF_ONE = math.log(math.e - 1.0)  # softplus of it is 1
_NORMAL_95 = 1.6449  # 95 % quantile of the standard normal distribution


class ScaledHead(Head):
    """A head in units of the training density; first predictions are near its mean.

    Mean and SD of the target are those of the training folds; they are saved with the weights.

    Args:
        width: width ``D`` of the fused vector.
        dropout: dropout rate.
        target_mean: mean density of the training folds, g/cm².
        target_sd: standard deviation of the density of the training folds, g/cm².

    Raises:
        ModelError: if the mean is not finite or the SD is not positive.
    """

    outputs: ClassVar[int]
    target_mean: Tensor
    target_sd: Tensor

    def __init__(self, *, width: int, dropout: float, target_mean: float, target_sd: float) -> None:
        if not (math.isfinite(target_mean) and math.isfinite(target_sd) and target_sd > 0):
            raise ModelError(
                f"The density of the training folds has a finite mean and a positive SD, but {target_mean} and "
                f"{target_sd} were found; check the target column."
            )
        super().__init__(width=width, dropout=dropout, outputs=self.outputs)
        self.register_buffer("target_mean", torch.tensor(float(target_mean)))
        self.register_buffer("target_sd", torch.tensor(float(target_sd)))

    def density_at(self, z_B: Tensor) -> Tensor:
        """Return the density that lies ``z`` SDs from the mean of the training folds, g/cm²."""
        return self.target_mean + self.target_sd * z_B


class DensityHead(ScaledHead):
    """``density = mean + SD · z`` and nothing more.

    Example:
        >>> head = DensityHead(width=16, dropout=0.1, target_mean=0.88, target_sd=0.147)
        >>> head(torch.rand(3, 16)).density.shape
        torch.Size([3])
    """

    name, outputs = "point", 1

    def read(self, z: Tensor) -> Estimate:
        """Return the density alone."""
        return Estimate(self.density_at(z.squeeze(-1)))


class GaussianHead(ScaledHead):
    """Mean and SD of a normal distribution of the density; the SD begins at that of the training folds.

    Example:
        >>> head = GaussianHead(width=16, dropout=0.1, target_mean=0.88, target_sd=0.147)
        >>> bool((head(torch.rand(3, 16)).sd > 0).all())
        True
    """

    name, outputs = "gaussian", 2

    def read(self, z: Tensor) -> Estimate:
        """Return the mean as the density, and the SD."""
        return Estimate(self.density_at(z[:, 0]), sd=self.target_sd * (LEAST_SD + softplus(z[:, 1] + _SOFTPLUS_OF_ONE)))


class QuantileHead(ScaledHead):
    """5, 50 and 95 % quantile of the density: the median, and a step of zero or more to either side of it.

    Example:
        >>> head = QuantileHead(width=16, dropout=0.1, target_mean=0.88, target_sd=0.147)
        >>> head(torch.rand(3, 16)).quantiles.shape
        torch.Size([3, 3])
    """

    name, outputs = "quantile", 3

    def read(self, z: Tensor) -> Estimate:
        """Return the median as the density, and the three quantiles."""
        median = self.density_at(z[:, 0])
        below, above = (self.target_sd * _NORMAL_95 * softplus(z[:, side] + _SOFTPLUS_OF_ONE) for side in (1, 2))
        return Estimate(median, quantiles=torch.stack([median - below, median, median + above], dim=-1))
