"""How the losses of several tasks, density and mask or classes, become one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from xattn_bmd.config import TaskWeights


class TaskBalance(nn.Module):
    """``density + Σ w_k · task_k``; or, learned, ``exp(-s_0) density + s_0 + Σ (exp(-s_k) task_k + s_k)``.

    The learned weights are those of homoscedastic uncertainty (Kendall, Gal and Cipolla 2018, arXiv 1705.07115, without
    their factor 1/2): at the optimum each task weighs one over its own loss.  They begin as the fixed ones, ``s_0 = 0``
    and ``s_k = -log w_k``, are learned with the network, and are no part of it afterwards.

    Args:
        scheme: ``"fixed"`` or ``"uncertainty"``.
        weights: ``w_k`` of each task beside the density, positive.

    Example:
        >>> balance = TaskBalance("uncertainty", weights=[0.1])
        >>> round(float(balance(torch.tensor(0.05), torch.tensor(1.0))), 4)
        2.4526
        >>> round(float(TaskBalance("fixed", weights=[0.1])(torch.tensor(0.05), torch.tensor(1.0))), 4)
        0.15
    """

    log_variance: Tensor

    def __init__(self, scheme: TaskWeights, *, weights: Sequence[float]) -> None:
        super().__init__()
        start = torch.tensor([0.0, *(-math.log(weight) for weight in weights)])
        if scheme == "uncertainty":
            self.log_variance = nn.Parameter(start)
        else:
            self.register_buffer("log_variance", start, persistent=False)

    def forward(self, density: Tensor, *others: Tensor) -> Tensor:
        """Return the loss that is trained on, from the losses of the tasks, in the order of their weights."""
        weight = torch.exp(-self.log_variance)
        total = weight[0] * density
        for own, loss in zip(weight[1:], others, strict=True):
            total = total + own * loss
        return total + self.log_variance.sum() if self.log_variance.requires_grad else total
