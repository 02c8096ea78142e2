"""The mask head and how its loss is weighed, by name."""

from __future__ import annotations

from typing import Literal, get_args

from xattn_bmd.config_checks import at_least, between, one_of
from xattn_bmd.errors import ConfigError

MaskHeadName = Literal["none", "unet"]
TaskWeights = Literal["fixed", "uncertainty"]


def check_mask_settings(head: str, width: int, weight: float, task_weights: str, *, loss: str) -> None:
    """Refuse settings of the mask head that cannot be trained.

    Raises:
        ConfigError: naming the setting, its rule and the value found.

    Example:
        >>> check_mask_settings("unet", 16, 0.1, "fixed", loss="mse")
    """
    one_of("model.mask_head", head, get_args(MaskHeadName))
    at_least("model.mask_width", width, 4)
    between("training.mask_weight", weight, 0.0, 100.0)
    one_of("training.task_weights", task_weights, get_args(TaskWeights))
    if task_weights == "uncertainty" and loss == "gaussian_nll":
        raise ConfigError(
            "training.task_weights='uncertainty' needs losses that are never negative, but training.loss is "
            "'gaussian_nll', which is where the density is well predicted; use task_weights='fixed'."
        )
