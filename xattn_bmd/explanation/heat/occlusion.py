"""Occlusion: how the answer changes when a square of the picture is covered."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from xattn_bmd.explanation.heat.integrated_gradients import mean_grey
from xattn_bmd.explanation.heat.seen import Answer, Scalar, Seen
from xattn_bmd.models.network import FusionNetwork

WINDOW = 8
"""Windows along a side of the picture; they overlap by half."""


def occlusion(
    network: FusionNetwork, seen: Seen, *, target: Scalar = "density", threshold: float = 0.0, window: int = WINDOW
) -> Tensor:
    """Return occlusion heat (Zeiler and Fergus 2014, ECCV, arXiv 1311.2901).

    A square is set to the radiograph's mean grey; heat is the answer for the whole picture minus the answer without the
    square, mean over the squares that cover a place.  Positive heat: what is there raises the density.  Nothing but
    forward passes, so it is the one method here that trusts no gradient.  The trunk runs for every square.

    Args:
        network: a network with an image encoder, in evaluation mode.
        seen: ``B`` radiographs of at least ``2 * window`` pixels a side.
        target: what is explained.
        threshold: density of the threshold of ``low_density``, g/cm².
        window: windows along a side of the picture.

    Returns:
        ``(B, h, w)`` float32 with ``2 * window`` rows and columns, in the unit of the answer.

    Example:
        >>> from xattn_bmd.explanation.heat.example import example
        >>> occlusion(*example(), window=2).shape
        torch.Size([2, 4, 4])
    """
    from captum.attr import Occlusion

    height, width = seen.image.shape[2:]
    square = (1, max(2, height // window), max(2, width // window))
    with torch.no_grad():
        heat = Occlusion(Answer(network, target=target, threshold=threshold)).attribute(
            seen.image,
            sliding_window_shapes=square,
            strides=(1, square[1] // 2, square[2] // 2),
            baselines=mean_grey(seen.image),
            additional_forward_args=tuple(seen.variables),
        )
    grid = (min(2 * window, height), min(2 * window, width))
    return adaptive_avg_pool2d(cast(Tensor, heat), grid)[:, 0].float()
