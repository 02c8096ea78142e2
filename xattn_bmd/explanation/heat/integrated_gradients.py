"""Integrated gradients of the picture's pixels."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from xattn_bmd.explanation.heat.seen import Answer, Scalar, Seen
from xattn_bmd.models.network import FusionNetwork

STEPS = 16
"""Points of the Gauss-Legendre rule on the way from the empty picture to the given one."""

_AT_A_TIME = 64


def integrated_gradients(
    network: FusionNetwork, seen: Seen, *, target: Scalar = "density", threshold: float = 0.0, steps: int = STEPS
) -> Tensor:
    """Return integrated gradients (Sundararajan et al. 2017, ICML, arXiv 1703.01365) for every pixel.

    The way starts at a picture of the radiograph's own mean grey: neither black (then dark pixels can never have heat)
    nor another patient.  Heat adds up to the answer for the radiograph minus the answer for its mean grey; with few
    steps to within a few percent.  The gradient goes through the whole trunk: a stored map is not used.

    Args:
        network: a network with an image encoder, in evaluation mode.
        seen: ``B`` radiographs.
        target: what is explained.
        threshold: density of the threshold of ``low_density``, g/cm².
        steps: points on the way.

    Returns:
        ``(B, H, W)`` float32, in the unit of the answer.

    Example:
        >>> from xattn_bmd.explanation.heat.example import example
        >>> integrated_gradients(*example(), steps=4).shape
        torch.Size([2, 64, 64])
    """
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(Answer(network, target=target, threshold=threshold))
    with torch.enable_grad():
        heat = method.attribute(
            seen.image,
            baselines=mean_grey(seen.image),
            additional_forward_args=tuple(seen.variables),
            n_steps=steps,
            internal_batch_size=max(_AT_A_TIME, len(seen.image)),
        )
    return cast(Tensor, heat).detach()[:, 0].float()


def mean_grey(image: Tensor) -> Tensor:
    """Return pictures ``(B, 1, H, W)`` that show nothing but the mean grey level of each given one."""
    return image.mean(dim=(1, 2, 3), keepdim=True).expand_as(image).contiguous()
