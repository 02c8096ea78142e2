"""Random numbers of single radiographs: a hash of (seed, epoch, row), so batch, worker and order change nothing."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15, the increment of the SplitMix64 generator (Steele et al. 2014)
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB
_LEVELS = 1 << 16
_NORMAL_FROM = 1 << 20  # the normal draws start this far along a row's words, past all uniform ones


def uniform_draws(row: Tensor, count: int, *, seed: int, epoch: int) -> Tensor:
    """Return independent uniform numbers for each row of a cohort.

    Args:
        row: ``(B,)`` int64 identity of each sample.
        count: numbers wanted for each sample, ``K``; the first ones are the same whatever ``K`` is.
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
    words = _words(row, count, first=0, seed=seed, epoch=epoch)
    return ((words >> 40) & 0xFFFFFF).to(torch.float32) / float(1 << 24)


def normal_draws(row: Tensor, count: int, *, seed: int, epoch: int) -> Tensor:
    """Return independent standard normal numbers for each row of a cohort; made for one number a pixel.

    Each hashed word gives four 16-bit numbers, and each of these one of 65,536 equally likely quantiles of the normal
    distribution (the largest is 4.3).  Looking them up needs no logarithm, so every device gives the same bits.

    Args:
        row: ``(B,)`` int64 identity of each sample.
        count: numbers wanted for each sample, ``K``.
        seed: seed of the fit.
        epoch: epoch of training; another epoch gives other numbers.

    Returns:
        ``(B, K)`` float32.

    Example:
        >>> draws = normal_draws(torch.tensor([2, 7]), 10_000, seed=0, epoch=1)
        >>> draws.shape, round(float(draws.std()), 1)
        (torch.Size([2, 10000]), 1.0)
    """
    words = _words(row, (count + 3) // 4, first=_NORMAL_FROM, seed=seed, epoch=epoch)
    level = words.view(torch.int16)[:, :count].to(torch.int32).add_(_LEVELS // 2)
    return _normal_quantiles(row.device).index_select(0, level.reshape(-1)).view(len(row), count)


@cache
def _normal_quantiles(device: torch.device) -> Tensor:
    """Return ``(65536,)`` float32: the quantile in the middle of each of as many equally likely intervals."""
    share = (torch.arange(_LEVELS, dtype=torch.float64) + 0.5) / _LEVELS
    quantiles: Tensor = torch.special.ndtri(share)
    return quantiles.to(torch.float32).to(device)


def _words(row: Tensor, count: int, *, first: int, seed: int, epoch: int) -> Tensor:
    """Return ``(B, count)`` hashed int64 words of each row, from word ``first`` on."""
    start = _scramble(_scramble(row.to(torch.int64) + seed * 1_000_003) + epoch)
    steps = torch.arange(first + 1, first + count + 1, device=row.device, dtype=torch.int64)
    return _scramble(start[:, None] + steps * _GOLDEN)


def _scramble(value: Tensor) -> Tensor:
    """SplitMix64's finaliser on int64 with wrap-around; shifts are made logical by masking the sign bits away."""
    value = value + _GOLDEN
    for shift, factor in ((30, _MIX_1), (27, _MIX_2)):
        value.bitwise_xor_((value >> shift).bitwise_and_((1 << (64 - shift)) - 1)).mul_(factor)
    return value.bitwise_xor_((value >> 31).bitwise_and_((1 << 33) - 1))
