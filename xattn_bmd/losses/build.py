"""The training loss that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from xattn_bmd.config import HeadName, LossName, TrainingConfig
from xattn_bmd.errors import ConfigError
from xattn_bmd.losses.classes import cross_entropy, cumulative
from xattn_bmd.losses.density import BALANCED_NOISE, balanced_mse, gaussian_nll, pinball, weighted_smooth_l1


class Predicted(Protocol):
    """What a loss compares with the target; a network's output is one."""

    @property
    def density(self) -> Tensor:
        """``(B,)`` density, g/cm²."""

    @property
    def sd(self) -> Tensor | None:
        """``(B,)`` SD, g/cm², or None."""

    @property
    def quantiles(self) -> Tensor | None:
        """``(B, 3)`` quantiles at :data:`~xattn_bmd.types.HEAD_QUANTILES`, or None."""

    @property
    def log_probabilities(self) -> Tensor | None:
        """``(B, K)`` logarithms of the classes' probabilities, or None."""


Loss: TypeAlias = Callable[[Predicted, Tensor, Tensor], Tensor]
"""``(predicted, target (B,), weight (B,)) → scalar``."""


def build_loss(config: TrainingConfig) -> Loss:
    """Return the training loss that a configuration names.

    Of the losses on density only ``weighted_smooth_l1`` uses the weights; ``smooth_l1``, ``mse`` and ``mae`` count
    every patient alike, ``balanced_mse`` is balanced by the batch's own densities, and ``gaussian_nll`` and ``pinball``
    count alike too: weights that follow the target would make SD and quantiles those of a population in which low
    densities are commoner than they are.  Both losses on classes use them: with ``class_frequency`` the probabilities
    are those of a population in which every class is as common as the others.

    Raises:
        ConfigError: if the name is unknown or β is not positive.

    Example:
        >>> from xattn_bmd.models.heads import Estimate
        >>> loss = build_loss(TrainingConfig(loss="mae"))
        >>> round(float(loss(Estimate(torch.tensor([0.9])), torch.tensor([0.8]), torch.ones(1))), 3)
        0.1
    """
    if not config.beta > 0:
        raise ConfigError(f"The width beta of Smooth L1 is positive, but {config.beta} g/cm² was given; take 0.05.")
    losses: dict[LossName, Loss] = {
        "weighted_smooth_l1": lambda p, t, w: weighted_smooth_l1(p.density, t, w, beta=config.beta),
        "smooth_l1": lambda p, t, w: torch.nn.functional.smooth_l1_loss(p.density, t, beta=config.beta),
        "mse": lambda p, t, w: torch.nn.functional.mse_loss(p.density, t),
        "mae": lambda p, t, w: torch.nn.functional.l1_loss(p.density, t),
        "balanced_mse": lambda p, t, w: balanced_mse(p.density, t, noise=BALANCED_NOISE),
        "gaussian_nll": lambda p, t, w: gaussian_nll(p.density, _given(p.sd, "gaussian"), t),
        "pinball": lambda p, t, w: pinball(_given(p.quantiles, "quantile"), t),
        "cross_entropy": lambda p, t, w: cross_entropy(_given(p.log_probabilities, "classes"), t, w),
        "cumulative": lambda p, t, w: cumulative(_given(p.log_probabilities, "ordinal"), t, w),
    }
    if config.loss not in losses:
        raise ConfigError(f"A loss is one of {', '.join(losses)}, but {config.loss!r} was given; choose one.")
    return losses[config.loss]


def _given(part: Tensor | None, head: HeadName) -> Tensor:
    if part is None:
        raise ConfigError(
            f"The losses of a head other than 'point' score what it says beside the density, but no {head} head gave "
            f"it; build the network with head={head!r}."
        )
    return part
