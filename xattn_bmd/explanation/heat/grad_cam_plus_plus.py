"""Grad-CAM++ for a regression: signed, at the last feature map.

Axes: ``B`` radiographs, ``C, h, w`` channels, rows and columns of the last feature map.
"""

from __future__ import annotations

import torch
from torch import Tensor

from xattn_bmd.explanation.heat.layer_gradient import map_and_gradient
from xattn_bmd.explanation.heat.seen import Answer, Scalar, Seen
from xattn_bmd.models.heads import scaled
from xattn_bmd.models.network import FusionNetwork


def grad_cam_plus_plus(
    network: FusionNetwork, seen: Seen, *, target: Scalar = "density", threshold: float = 0.0
) -> Tensor:
    """Return Grad-CAM++ (Chattopadhyay et al. 2018, WACV, arXiv 1710.11063), for both signs of the gradient.

    Each place has a weight of its own, ``α = g² / (2 g² + g³ Σ map)``, 0 where the denominator is, with ``g`` the
    gradient at the map: small objects count as much as large ones.  The source keeps positive gradients alone, those
    that speak for a class; here heat is made of the positive and of the negative gradients in the same way, and the
    second is subtracted, so that the sign says whether a place raises or lowers the density.  ``α`` depends on the unit
    of the answer: SDs of the training density are taken.  Where ``g Σ map`` is far below 1, ``α`` is one half
    everywhere and the heat is that of Grad-CAM, up to a factor; the small gradient of a regression often makes it so.

    Args:
        network: a network with an image encoder, in evaluation mode.
        seen: ``B`` radiographs.
        target: what is explained.
        threshold: density of the threshold of ``low_density``, g/cm².

    Returns:
        ``(B, h, w)`` float32.

    Example:
        >>> from xattn_bmd.explanation.heat.example import example
        >>> grad_cam_plus_plus(*example()).shape
        torch.Size([2, 2, 2])
    """
    assert network.image_encoder is not None
    answer = Answer(network, target=target, threshold=threshold, mapped=seen.features is not None)
    map_BChw, gradient = map_and_gradient(
        answer, network.image_encoder.project, seen.looked_at(), seen.variables, into=True
    )
    unit = float(scaled(network.head).target_sd) if target == "density" else 1.0
    return plus_plus_heat(map_BChw, gradient / unit).float()


def plus_plus_heat(map_BChw: Tensor, gradient_BChw: Tensor) -> Tensor:
    """Return the signed heat ``(B, h, w)`` of a feature map and the gradient at it."""
    total_BC11 = map_BChw.sum(dim=(2, 3), keepdim=True)
    halves = []
    for towards in (gradient_BChw, -gradient_BChw):
        share = towards**2 / _away_from_zero(2 * towards**2 + total_BC11 * towards**3)
        weight_BC11 = (share * towards.clamp(min=0)).sum(dim=(2, 3), keepdim=True)
        halves.append((weight_BC11 * map_BChw).sum(dim=1))
    return halves[0] - halves[1]


def _away_from_zero(value: Tensor) -> Tensor:
    return torch.where(value.abs() < torch.finfo(value.dtype).tiny, torch.ones_like(value), value)
