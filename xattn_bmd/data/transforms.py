"""Random changes of training images: batched on whatever device the batch is on, drawn for each sample alone.

The draws are a hash of (seed, epoch, row of the radiograph), so a radiograph is changed the same way whatever its
batch, its worker or the order of the epoch.  Library transforms that take a whole batch draw once for the batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from xattn_bmd.config import AugmentConfig

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15, the increment of the SplitMix64 generator (Steele et al. 2014)
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def uniform_draws(row: Tensor, count: int, *, seed: int, epoch: int) -> Tensor:
    """Return independent uniform numbers for each row of a cohort.

    Args:
        row: ``(B,)`` int64 identity of each sample.
        count: numbers wanted for each sample, ``K``.
        seed: seed of the fit.
        epoch: epoch of training; another epoch gives other numbers.

    Returns:
        ``(B, K)`` float32 in [0, 1).

    Example:
        >>> alone = uniform_draws(torch.tensor([7]), 3, seed=0, epoch=1)
        >>> batch = uniform_draws(torch.tensor([2, 7]), 3, seed=0, epoch=1)
        >>> torch.equal(alone[0], batch[1])
        True
    """
    start = _scramble(_scramble(row.to(torch.int64) + seed * 1_000_003) + epoch)
    steps = torch.arange(1, count + 1, device=row.device, dtype=torch.int64)
    bits = _scramble(start[:, None] + steps * _GOLDEN)
    return ((bits >> 40) & 0xFFFFFF).to(torch.float32) / float(1 << 24)


def augment(image: Tensor, row: Tensor, *, config: AugmentConfig, seed: int, epoch: int) -> Tensor:
    """Rotate, shift, scale, and change contrast, gamma and noise of each image by its own draw.

    Args:
        image: ``(B, 1, H, W)`` float in 0-1.
        row: ``(B,)`` int64 identity of each sample.
        config: ranges of the changes.
        seed: seed of the fit.
        epoch: epoch of training.

    Returns:
        ``(B, 1, H, W)`` of the input's type, in 0-1.

    Example:
        >>> image = torch.rand(2, 1, 32, 32)
        >>> augment(image, torch.arange(2), config=AugmentConfig(), seed=0, epoch=0).shape
        torch.Size([2, 1, 32, 32])
    """
    draws = uniform_draws(row, 6, seed=seed, epoch=epoch) * 2 - 1
    moved = _move(image, draws[:, :4].to(image.dtype), config)
    toned = _tone(moved, draws[:, 4:].to(image.dtype), config)
    if config.noise > 0:
        toned = toned + config.noise * _gaussian(row, image[0].numel(), seed=seed, epoch=epoch).view_as(image)
    return toned.clamp(0.0, 1.0)


def _move(image: Tensor, draws: Tensor, config: AugmentConfig) -> Tensor:
    angle = draws[:, 0] * math.radians(config.rotation)
    scale = 1 + draws[:, 1] * config.scale
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    shift = draws[:, 2:4] * 2 * config.translation
    first = torch.stack([cos, -sin, shift[:, 0]], dim=1)
    second = torch.stack([sin, cos, shift[:, 1]], dim=1)
    grid = F.affine_grid(torch.stack([first, second], dim=1), list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _tone(image: Tensor, draws: Tensor, config: AugmentConfig) -> Tensor:
    gamma = torch.exp2(draws[:, 0] * config.gamma)[:, None, None, None]
    contrast = (1 + draws[:, 1] * config.contrast)[:, None, None, None]
    curved = image.clamp(0.0, 1.0) ** gamma
    mean = curved.mean(dim=(2, 3), keepdim=True)
    return (curved - mean) * contrast + mean


def _gaussian(row: Tensor, count: int, *, seed: int, epoch: int) -> Tensor:
    half = (count + 1) // 2
    draws = uniform_draws(row, 2 * half, seed=seed + 1, epoch=epoch)
    radius = torch.sqrt(-2 * torch.log1p(-draws[:, :half]))
    angle = 2 * math.pi * draws[:, half:]
    return torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1)[:, :count]


def _scramble(value: Tensor) -> Tensor:
    """SplitMix64's finaliser on int64 with wrap-around; shifts are made logical by masking the sign bits away."""
    value = value + _GOLDEN
    value = (value ^ ((value >> 30) & 0x3FFFFFFFF)) * _MIX_1
    value = (value ^ ((value >> 27) & 0x1FFFFFFFFF)) * _MIX_2
    return value ^ ((value >> 31) & 0x1FFFFFFFF)
