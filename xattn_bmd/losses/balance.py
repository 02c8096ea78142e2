"""How the losses of the two tasks, density and mask, become one."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from xattn_bmd.config import TaskWeights


class TaskBalance(nn.Module):
    """``density + w · mask``; or, learned, ``exp(-s) density + s + exp(-t) mask + t``.

    The learned weights are those of homoscedastic uncertainty (Kendall, Gal and Cipolla 2018, arXiv 1705.07115, without
    their factor 1/2): at the optimum each task weighs one over its own loss.  They begin as the fixed ones, ``s = 0``
    and ``t = -log w``, are learned with the network, and are no part of it afterwards.

    Args:
        scheme: ``"fixed"`` or ``"uncertainty"``.
        mask_weight: ``w``, positive.

    Example:
        >>> balance = TaskBalance("uncertainty", mask_weight=0.1)
        >>> round(float(balance(torch.tensor(0.05), torch.tensor(1.0))), 4)
        2.4526
        >>> round(float(TaskBalance("fixed", mask_weight=0.1)(torch.tensor(0.05), torch.tensor(1.0))), 4)
        0.15
    """

    log_variance: Tensor

    def __init__(self, scheme: TaskWeights, *, mask_weight: float) -> None:
        super().__init__()
        start = torch.tensor([0.0, -math.log(mask_weight)])
        if scheme == "uncertainty":
            self.log_variance = nn.Parameter(start)
        else:
            self.register_buffer("log_variance", start, persistent=False)

    def forward(self, density: Tensor, mask: Tensor) -> Tensor:
        """Return the loss that is trained on, from the losses of the two tasks."""
        weight = torch.exp(-self.log_variance)
        total = weight[0] * density + weight[1] * mask
        return total + self.log_variance.sum() if self.log_variance.requires_grad else total
