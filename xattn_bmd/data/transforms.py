"""Random changes of training images: batched on whatever device the batch is on, drawn for each sample alone.

The draws are a hash of (seed, epoch, row of the radiograph), so a radiograph is changed the same way whatever its
batch, its worker or the order of the epoch.  Library transforms that take a whole batch draw once for the batch.
A change whose range is 0 is left out, and so takes no time and moves no bit.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from xattn_bmd.config import AugmentConfig
from xattn_bmd.data.draws import normal_draws, uniform_draws

_DRAWS = 9  # angle, scale, shift right, shift down, gamma, contrast, flip, place of the cut-out (row, column)


def augment(image: Tensor, row: Tensor, *, config: AugmentConfig, seed: int, epoch: int) -> Tensor:
    """Mirror, rotate, shift and scale each image, change its contrast, gamma and noise, and cut a square out.

    Args:
        image: ``(B, D, H, W)`` float in 0-1, ``D`` 1 or the slices of a CT volume, which are changed alike.
        row: ``(B,)`` int64 identity of each sample.
        config: ranges of the changes.
        seed: seed of the fit.
        epoch: epoch of training.

    Returns:
        ``(B, D, H, W)`` of the input's type, in 0-1; computed in float32 at least.

    Example:
        >>> image = torch.rand(2, 1, 32, 32)
        >>> augment(image, torch.arange(2), config=AugmentConfig(), seed=0, epoch=0).shape
        torch.Size([2, 1, 32, 32])
    """
    draws = uniform_draws(row, _DRAWS, seed=seed, epoch=epoch)
    wide = image.to(torch.promote_types(image.dtype, torch.float32))
    changed = _moved(wide, draws, config)
    if changed is image and (config.gamma or config.contrast or config.noise):
        changed = image.clone()  # what follows writes in place: moving memory is most of the work
    _tone_(changed, draws, config)
    if config.noise:
        noise = normal_draws(row, changed[0].numel(), seed=seed, epoch=epoch)
        changed.add_(noise.view(changed.shape), alpha=config.noise)
    if changed is not image:
        changed.clamp_(0.0, 1.0)
    return _cut_out(changed, draws, config).to(image.dtype)


def augment_mask(mask: Tensor, row: Tensor, *, config: AugmentConfig, seed: int, epoch: int) -> Tensor:
    """Mirror, rotate, shift and scale masks exactly as :func:`augment` does their images; nothing else is done to them.

    Args:
        mask: ``(B, 1, H, W)`` float, 0 or 1.
        row: ``(B,)`` int64 identity of each sample.
        config: ranges of the changes.
        seed: seed of the fit.
        epoch: epoch of training.

    Returns:
        ``(B, 1, H, W)`` of the input's type, 1 where at least half of what is looked up lies inside, else 0.

    Example:
        >>> mask = torch.tensor([[[[1.0, 0.0]]]])
        >>> config = AugmentConfig(rotation=0, translation=0, scale=0, flip=1.0)
        >>> augment_mask(mask, torch.tensor([0]), config=config, seed=0, epoch=0).tolist()
        [[[[0.0, 1.0]]]]
    """
    draws = uniform_draws(row, _DRAWS, seed=seed, epoch=epoch)
    return (_moved(mask, draws, config) >= 0.5).to(mask.dtype)


def _moved(image: Tensor, draws: Tensor, config: AugmentConfig) -> Tensor:
    """Mirror, rotate, scale and shift in one look-up of grey levels; a mirror image alone is exact."""
    mirrored = draws[:, 6] < config.flip
    if not (config.rotation or config.scale or config.translation):
        return torch.where(mirrored[:, None, None, None], image.flip(-1), image) if config.flip else image
    signed = draws[:, :4] * 2 - 1
    angle = signed[:, 0] * math.radians(config.rotation)
    scale = 1 + signed[:, 1] * config.scale
    shift = signed[:, 2:] * 2 * config.translation
    return looked_up(image, angle=angle, scale=scale, shift=shift, mirrored=mirrored if config.flip else None)


def looked_up(image: Tensor, *, angle: Tensor, scale: Tensor, shift: Tensor, mirrored: Tensor | None) -> Tensor:
    """Return pictures turned, scaled, shifted and mirrored in one look-up of grey levels; borders are continued.

    Args:
        image: ``(B, D, H, W)`` float.
        angle: ``(B,)`` radians.
        scale: ``(B,)`` factor of size.
        shift: ``(B, 2)`` right and down, in half sides of the image.
        mirrored: ``(B,)`` bool, or None for no mirror image.
    """
    # x + iy of each pixel's source: its place is turned, divided by the scale and moved; -conj() mirrors x
    turn = torch.polar(1 / scale, angle)[:, None]
    from_column = turn * _centres(image.shape[3], image.device)
    from_row = turn * 1j * _centres(image.shape[2], image.device) + torch.view_as_complex(shift)[:, None]
    if mirrored is not None:
        from_column, from_row = (torch.where(mirrored[:, None], -part.conj(), part) for part in (from_column, from_row))
    grid = torch.view_as_real(from_column[:, None, :] + from_row[:, :, None]).to(image.dtype)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _centres(count: int, device: torch.device) -> Tensor:
    """Return ``(count,)`` pixel centres of a side that goes from -1 to 1."""
    return (2 * torch.arange(count, device=device, dtype=torch.float32) + 1) / count - 1


def _tone_(image: Tensor, draws: Tensor, config: AugmentConfig) -> None:
    signed = (draws[:, 4:6] * 2 - 1).to(image.dtype)[:, :, None, None, None]
    if config.gamma:
        # not exp2 nor pow: their last bit depends on a pixel's position in the batch
        power = torch.exp(signed[:, 0] * (config.gamma * math.log(2)))
        image.clamp_(0.0, 1.0).log_().mul_(power).exp_()
    if config.contrast:
        contrast = 1 + signed[:, 1] * config.contrast
        shift = _mean(image) * (1 - contrast)
        image.mul_(contrast).add_(shift)


def _cut_out(image: Tensor, draws: Tensor, config: AugmentConfig) -> Tensor:
    """Set one square of each picture, whose side is a share of the shorter side, to the picture's mean."""
    height, width = image.shape[2:]
    side = round(config.cutout * min(height, width))
    if not side:
        return image
    row = torch.arange(height, device=image.device)[:, None] - _start(draws[:, 7], height - side)
    column = torch.arange(width, device=image.device) - _start(draws[:, 8], width - side)
    inside = (row >= 0) & (row < side) & (column >= 0) & (column < side)
    return torch.where(inside[:, None], _mean(image), image)


def _start(draw: Tensor, largest: int) -> Tensor:
    """Return ``(B, 1, 1)`` whole numbers from 0 to ``largest``, each as likely."""
    return (draw * (largest + 1)).long()[:, None, None]


def _mean(image: Tensor) -> Tensor:
    """Return ``(B, 1, 1, 1)`` means; rows first, for the mean of one picture at once is summed by several threads."""
    return image.mean(dim=3, keepdim=True).mean(dim=2, keepdim=True).mean(dim=1, keepdim=True)
