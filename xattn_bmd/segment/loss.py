"""What a segmenter minimises: Dice loss and cross-entropy, equally weighted."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_SMOOTH = 1.0


def dice_cross_entropy(logits_BKDHW: Tensor, classes_BDHW: Tensor) -> Tensor:
    """Return cross-entropy plus one minus the mean soft Dice of the labels.

    Soft Dice, ``(2 sum(p t) + 1) / (sum(p) + sum(t) + 1)`` with probability ``p`` and truth ``t``, is taken over all
    voxels of the batch (Milletari et al. 2016 with plain sums instead of squares), for labels that the batch holds;
    what it does not hold is taught by the cross-entropy alone.

    Args:
        logits_BKDHW: of each class, background first.
        classes_BDHW: int64, the true class.

    Example:
        >>> sure = torch.tensor([[-50.0, 50.0], [50.0, -50.0]]).reshape(1, 2, 1, 1, 2)
        >>> round(float(dice_cross_entropy(sure, torch.tensor([1, 0]).reshape(1, 1, 1, 2))), 6)
        0.0
    """
    cross_entropy = functional.cross_entropy(logits_BKDHW, classes_BDHW)
    labels = logits_BKDHW.shape[1] - 1
    probability = logits_BKDHW.softmax(dim=1)[:, 1:]
    truth = torch.stack([classes_BDHW == label for label in range(1, labels + 1)], dim=1).to(probability.dtype)
    axes = (0, 2, 3, 4)
    count = truth.sum(axes)
    both, total = (probability * truth).sum(axes), probability.sum(axes) + count
    dice = ((2 * both + _SMOOTH) / (total + _SMOOTH))[count > 0]
    return cross_entropy + (1 - dice).mean() if len(dice) else cross_entropy
