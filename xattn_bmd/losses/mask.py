"""The loss of a mask head.

Axes: ``B`` patients, ``H, W`` rows and columns of the picture.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

SMOOTH = 1.0
"""Pixels added to both sides of the Dice fraction, so that it is defined where nothing is inside."""


def mask_loss(logits: Tensor, mask: Tensor, has_mask: Tensor) -> Tensor:
    """Return the mean over the batch of ``1 - Dice + cross-entropy``, 0 for a radiograph without a mask.

    Dice of one picture is ``2 Σ p m / (Σ p + Σ m)`` with ``p`` the probability of each pixel (Milletari 2016), the
    cross-entropy its mean over the pixels.  The mean is over the batch and not over the radiographs with a mask, so
    that each mask keeps the same weight in every batch.

    Args:
        logits: ``(B, 1, H, W)`` float.
        mask: ``(B, 1, H, W)`` float, 1 inside and 0 outside; not read where there is none.
        has_mask: ``(B,)`` bool.

    Example:
        >>> import torch
        >>> mask = torch.tensor([[[[1.0, 0.0]]]])
        >>> known = torch.tensor([True])
        >>> round(float(mask_loss(200 * mask - 100, mask, known)), 4)
        0.0
        >>> round(float(mask_loss(torch.zeros(1, 1, 1, 2), mask, known)), 4)
        1.0265
    """
    inside = mask.where(has_mask[:, None, None, None], 0.0).flatten(1)
    found = logits.flatten(1)
    share = found.sigmoid()
    dice = (2 * (share * inside).sum(1) + SMOOTH) / (share.sum(1) + inside.sum(1) + SMOOTH)
    entropy = binary_cross_entropy_with_logits(found, inside, reduction="none").mean(1)
    return ((1 - dice + entropy) * has_mask).mean()
