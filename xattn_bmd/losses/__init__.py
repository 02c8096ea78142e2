"""Training losses: on density (:mod:`~xattn_bmd.losses.density`), on masks, and how the two are weighed."""

from __future__ import annotations

from xattn_bmd.losses.balance import TaskBalance
from xattn_bmd.losses.density import (
    BAND_WEIGHTS,
    KNOTS,
    MOST_WEIGHT,
    WEIGHTINGS,
    DensityWeights,
    Loss,
    Predicted,
    balanced_mse,
    build_loss,
    fit_weights,
    gaussian_nll,
    pinball,
    weighted_smooth_l1,
)
from xattn_bmd.losses.mask import mask_loss

__all__ = [
    "BAND_WEIGHTS",
    "KNOTS",
    "MOST_WEIGHT",
    "WEIGHTINGS",
    "DensityWeights",
    "Loss",
    "Predicted",
    "TaskBalance",
    "balanced_mse",
    "build_loss",
    "fit_weights",
    "gaussian_nll",
    "mask_loss",
    "pinball",
    "weighted_smooth_l1",
]
