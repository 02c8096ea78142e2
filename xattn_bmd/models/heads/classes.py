"""The heads that turn a fused vector into the probabilities of classes.

Axes: ``B`` patients, ``K`` classes in their order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, logsigmoid, softplus

from xattn_bmd.errors import ModelError
from xattn_bmd.models.heads.head import Estimate, Head, no_density

LEAST_GAP = 1e-3
"""Smallest distance of two thresholds of the ordinal head, on the scale of its score; so no class ever has chance 0."""


class ClassHead(Head):
    """A head of classes; its first predictions are near the share of each class in the training folds.

    Args:
        width: width ``D`` of the fused vector.
        dropout: dropout rate.
        outputs: number of raw outputs.
        shares: share of each class among the radiographs of the training folds, all above 0.
    """

    def __init__(self, *, width: int, dropout: float, outputs: int, shares: Sequence[float]) -> None:
        if len(shares) < 2 or min(shares) <= 0:
            raise ModelError(
                f"A head of classes needs two or more, each met in the training folds, but their shares are "
                f"{list(shares)}; give radiographs of each class, or use fewer folds."
            )
        super().__init__(width=width, dropout=dropout, outputs=outputs)


class SoftmaxHead(ClassHead):
    """One raw output for each class; their softmax is the probabilities.

    Example:
        >>> head = SoftmaxHead(width=16, dropout=0.1, shares=(0.5, 0.3, 0.2))
        >>> chances = head(torch.rand(4, 16)).log_probabilities.exp()
        >>> chances.shape, bool((chances.sum(dim=1) - 1).abs().max() < 1e-5)
        (torch.Size([4, 3]), True)
    """

    name = "classes"

    def __init__(self, *, width: int, dropout: float, shares: Sequence[float]) -> None:
        super().__init__(width=width, dropout=dropout, outputs=len(shares), shares=shares)
        last = self.mlp[-1]
        assert isinstance(last, nn.Linear)
        last.bias.data.copy_(torch.tensor(shares).log())

    def read(self, z: Tensor) -> Estimate:
        """Return the softmax of the raw outputs."""
        return Estimate(no_density(z), log_probabilities=log_softmax(z, dim=-1))


class OrdinalHead(ClassHead):
    """One score for each patient and a threshold between each class and the next: ``P(y > k) = σ(score - t_k)``.

    The cumulative logit (proportional odds) model of McCullagh 1980 (J R Stat Soc B 42, 109-142) on a learned score.
    As in CORAL (Cao, Mirjalili and Raschka 2020, Pattern Recognition Letters 140, 325-331) all thresholds share the
    direction, so their K - 1 answers cannot contradict each other; unlike there, the order of the thresholds does not
    rest on the loss but is built in: each is the one before plus a positive gap.

    Example:
        >>> head = OrdinalHead(width=16, dropout=0.1, shares=(0.5, 0.3, 0.2))
        >>> [round(threshold, 3) for threshold in head.thresholds().tolist()]
        [0.0, 1.386]
    """

    name = "ordinal"

    def __init__(self, *, width: int, dropout: float, shares: Sequence[float]) -> None:
        super().__init__(width=width, dropout=dropout, outputs=1, shares=shares)
        below = np.cumsum(shares)[:-1] / np.sum(shares)
        first = np.log(below / (1.0 - below))
        gaps = np.log(np.expm1(np.maximum(np.diff(first) - LEAST_GAP, LEAST_GAP)))
        self.first = nn.Parameter(torch.tensor(first[:1], dtype=torch.float32))
        self.gaps = nn.Parameter(torch.tensor(gaps, dtype=torch.float32))

    def thresholds(self) -> Tensor:
        """Return the ``(K - 1,)`` thresholds of the score, ascending."""
        return torch.cat([self.first, self.first + (LEAST_GAP + softplus(self.gaps)).cumsum(dim=0)])

    def read(self, z: Tensor) -> Estimate:
        """Return the probability between each two thresholds, in logarithms: neither end ever loses its digits."""
        above_BT = z - self.thresholds()
        # sigma(a) - sigma(b) = sigma(a) sigma(-b) (1 - exp(b - a)) for a score above threshold a and below b
        inner = logsigmoid(above_BT[:, :-1]) + logsigmoid(-above_BT[:, 1:])
        inner = inner + torch.log(-torch.expm1(above_BT[:, 1:] - above_BT[:, :-1]))
        log_BK = torch.cat([logsigmoid(-above_BT[:, :1]), inner, logsigmoid(above_BT[:, -1:])], dim=1)
        return Estimate(no_density(z), log_probabilities=log_BK)
