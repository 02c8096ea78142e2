"""The head that turns a fused vector into a density."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from xattn_bmd.errors import ModelError


class DensityHead(nn.Module):
    """``density = mean + SD · MLP(LN(vector))`` in g/cm²; its first predictions lie close to the mean.

    Mean and SD of the target are those of the training folds; they are saved with the weights.

    Shape:
        ``(B, D)`` → ``(B,)``.

    Args:
        width: width ``D`` of the fused vector.
        dropout: dropout rate.
        target_mean: mean density of the training folds, g/cm².
        target_sd: standard deviation of the density of the training folds, g/cm².

    Raises:
        ModelError: if the mean is not finite or the SD is not positive.

    Example:
        >>> head = DensityHead(width=16, dropout=0.1, target_mean=0.88, target_sd=0.147)
        >>> head(torch.rand(3, 16)).shape
        torch.Size([3])
    """

    target_mean: Tensor
    target_sd: Tensor

    def __init__(self, *, width: int, dropout: float, target_mean: float, target_sd: float) -> None:
        super().__init__()
        if not (math.isfinite(target_mean) and math.isfinite(target_sd) and target_sd > 0):
            raise ModelError(
                f"The density of the training folds has a finite mean and a positive SD, but {target_mean} and "
                f"{target_sd} were found; check the target column."
            )
        last = nn.Linear(width, 1)
        nn.init.normal_(last.weight, std=0.1 / math.sqrt(width))
        nn.init.zeros_(last.bias)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), last)
        self.register_buffer("target_mean", torch.tensor(float(target_mean)))
        self.register_buffer("target_sd", torch.tensor(float(target_sd)))

    def forward(self, vector_BD: Tensor) -> Tensor:
        """Return the density ``(B,)`` in g/cm², in single precision under any autocast."""
        z_B: Tensor = self.mlp(vector_BD).squeeze(-1).float()
        return self.target_mean + self.target_sd * z_B
