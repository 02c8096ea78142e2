"""Grad-CAM for a regression: signed, at the last feature map.

Axes: ``B`` radiographs, ``C, h, w`` channels, rows and columns of the last feature map.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from xattn_bmd.explanation.heat.seen import Answer, Scalar, Seen
from xattn_bmd.models.network import FusionNetwork


def grad_cam(network: FusionNetwork, seen: Seen, *, target: Scalar = "density", threshold: float = 0.0) -> Tensor:
    """Return Grad-CAM (Selvaraju et al. 2017, ICCV) without its last rectifier.

    ``heat[i, j] = Σ_c (mean over i, j of ∂answer/∂map[c]) · map[c, i, j]``.  For a class the negative part is thrown
    away, for it speaks for other classes; for a density it says what lowers the estimate, so it is kept: positive heat
    speaks for more bone mineral, negative heat for less.

    Args:
        network: a network with an image encoder, in evaluation mode.
        seen: ``B`` radiographs.
        target: what is explained.
        threshold: density of the threshold of ``low_density``, g/cm².

    Returns:
        ``(B, h, w)`` float32, in the unit of the answer.

    Example:
        >>> from xattn_bmd.explanation.heat.example import example
        >>> grad_cam(*example()).shape
        torch.Size([2, 2, 2])
    """
    from captum.attr import LayerGradCam

    assert network.image_encoder is not None
    answer = Answer(network, target=target, threshold=threshold, mapped=seen.features is not None)
    # what goes into the projection is the trunk's last map, whatever of the trunk is frozen or stored
    method = LayerGradCam(answer, network.image_encoder.project)
    with torch.enable_grad():
        heat = method.attribute(
            seen.looked_at(), additional_forward_args=tuple(seen.variables), attribute_to_layer_input=True
        )
    return cast(Tensor, heat).detach()[:, 0].float()
