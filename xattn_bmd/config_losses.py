"""The heads by name, the losses by name, and which loss trains which head."""

from __future__ import annotations

from typing import Literal

from xattn_bmd.errors import ConfigError

HeadName = Literal["point", "gaussian", "quantile", "classes", "ordinal"]
ClassHeadName = Literal["none", "classes", "ordinal"]
LossName = Literal[
    "weighted_smooth_l1",
    "smooth_l1",
    "mse",
    "mae",
    "balanced_mse",
    "gaussian_nll",
    "pinball",
    "cross_entropy",
    "cumulative",
]
Weighting = Literal["t_score_bands", "label_density", "class_frequency", "none"]

HEAD_LOSSES: dict[HeadName, tuple[LossName, ...]] = {
    "point": ("weighted_smooth_l1", "smooth_l1", "mse", "mae", "balanced_mse"),
    "gaussian": ("gaussian_nll",),
    "quantile": ("pinball",),
    "classes": ("cross_entropy",),
    "ordinal": ("cumulative", "cross_entropy"),
}
"""The losses that train each head; a head and a loss are both named, none follows the other unseen."""

CLASS_HEAD_NAMES: tuple[HeadName, ...] = ("classes", "ordinal")
"""The heads whose target is a class."""


def check_head_loss(head: HeadName, loss: LossName) -> None:
    """Refuse a loss that does not train a head.

    Raises:
        ConfigError: naming the loss that fits.

    Example:
        >>> check_head_loss("gaussian", "gaussian_nll")
    """
    if loss not in HEAD_LOSSES[head]:
        raise ConfigError(
            f"The head {head!r} (model.head) is trained with the loss {' or '.join(HEAD_LOSSES[head])}, but "
            f"{loss!r} was given; set training.loss to {HEAD_LOSSES[head][0]!r}, or choose the head that fits the loss."
        )
