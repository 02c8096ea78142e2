"""Training losses on classes, and the weights that make rare classes count as much as common ones.

Axes: ``B`` patients, ``K`` classes in their order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def cross_entropy(log_probabilities: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the mean of ``-weight · log P(class)``.

    The mean is over the batch, not over the sum of its weights, so that every patient keeps the same weight in every
    batch.

    Args:
        log_probabilities: ``(B, K)``.
        target: ``(B,)`` place of the class, from 0, as a float.
        weight: ``(B,)``, mean 1 over the training folds.

    Example:
        >>> chances = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
        >>> round(float(cross_entropy(chances.log(), torch.tensor([0.0, 2.0]), torch.ones(2))), 4)
        0.4581
    """
    return -(weight * log_probabilities.gather(1, target.long()[:, None]).squeeze(1)).mean()


def cumulative(log_probabilities: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the binary cross-entropy of "above threshold k?", the mean over the K - 1 thresholds and the patients.

    The loss of CORAL (Cao, Mirjalili and Raschka 2020, Pattern Recognition Letters 140, 325-331) without task weights:
    a class further away costs more than the next one, for more thresholds lie between.

    Args:
        log_probabilities: ``(B, K)``.
        target: ``(B,)`` place of the class, from 0, as a float.
        weight: ``(B,)``, mean 1 over the training folds.

    Example:
        >>> chances = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
        >>> round(float(cumulative(chances.log(), torch.tensor([0.0, 2.0]), torch.ones(2))), 4)
        0.3112
    """
    below_BT = log_probabilities.logcumsumexp(dim=1)[:, :-1]
    above_BT = log_probabilities.flip(1).logcumsumexp(dim=1).flip(1)[:, 1:]
    thresholds_T = torch.arange(below_BT.shape[1], device=target.device)
    chosen_BT = torch.where(target[:, None] > thresholds_T, above_BT, below_BT)
    return -(weight * chosen_BT.mean(dim=1)).mean()


@dataclass(frozen=True, kw_only=True)
class ClassWeights:
    """Loss weight of each class, fitted on training folds only; mean 1 over their radiographs.

    Attributes:
        weight: ``(K,)``.

    Example:
        >>> weights = fit_class_weights(np.array([0.0, 0.0, 0.0, 1.0]), classes=2)
        >>> weights(torch.tensor([0.0, 1.0])).tolist()
        [0.6666666865348816, 2.0]
    """

    weight: tuple[float, ...]

    def __call__(self, target: Tensor) -> Tensor:
        """Return the ``(N,)`` float32 weights of the places ``(N,)`` of classes, on the same device."""
        return torch.tensor(self.weight, device=target.device)[target.detach().long()]


def fit_class_weights(target_train: NDArray[np.float64], *, classes: int) -> ClassWeights:
    """Return weights ``N / (K · N_class)``: every class has the same weight in all.

    Args:
        target_train: ``(N,)`` places of the classes of the training folds, each of which is met.
        classes: number ``K`` of classes.
    """
    counts = np.bincount(target_train.astype(np.intp), minlength=classes)
    return ClassWeights(weight=tuple((len(target_train) / (classes * counts)).tolist()))


def class_shares(target: NDArray[np.float64] | NDArray[np.int64], *, classes: int) -> tuple[float, ...]:
    """Return the share of each class.

    Args:
        target: ``(N,)`` places of the classes.
        classes: number ``K`` of classes; 0 for a density, which has no shares.

    Example:
        >>> class_shares(np.array([0.0, 0.0, 2.0, 1.0]), classes=3)
        (0.5, 0.25, 0.25)
    """
    if not classes:
        return ()
    return tuple((np.bincount(target.astype(np.intp), minlength=classes) / len(target)).tolist())
