"""Where each clinical variable reads the picture: the cross-attention of the ``xattn`` family over the grid.

Axes: ``B`` radiographs, ``L`` layers, ``H`` heads, ``V`` clinical variables, ``P = h · w`` patches.
"""

from __future__ import annotations

import torch
from torch import Tensor

from xattn_bmd.errors import ModelError
from xattn_bmd.explanation.heat.seen import Scalar, Seen
from xattn_bmd.models.network import FusionNetwork


def attention_maps(network: FusionNetwork, seen: Seen) -> Tensor:
    """Return how much each variable reads from each patch, by head, mean over layers weighted as the fusion does.

    Attention says where a network looked for keys, not why it predicted what it did.

    Args:
        network: a network whose variables read from the image, in evaluation mode.
        seen: ``B`` radiographs.

    Returns:
        ``(B, V, H, h, w)`` float32; each ``(h, w)`` sums to 1.

    Raises:
        ModelError: if the network has no such attention.

    Example:
        >>> from xattn_bmd.explanation.heat.example import example
        >>> attention_maps(*example()).shape
        torch.Size([2, 2, 2, 2, 2])
    """
    grids: list[torch.Size] = []
    with torch.no_grad():
        watch = (
            None
            if network.image_encoder is None
            else network.image_encoder.project.register_forward_hook(
                lambda _module, _inputs, made: grids.append(made.shape[-2:])
            )
        )
        try:
            output = network(seen.image, seen.variables, seen.features)
        finally:
            if watch is not None:
                watch.remove()
    attention = output.attention
    if attention is None or attention.variables_to_image is None:
        raise ModelError(
            "Attention maps show where clinical variables read the image, but this network has no such attention; "
            "choose method hirescam, or explain xattn, record_to_image or residual_xattn."
        )
    read_BVHP = torch.einsum("blhvp,l->bvhp", attention.variables_to_image.float(), attention.layer_weight.float())
    return read_BVHP.reshape(*read_BVHP.shape[:3], *grids[0])


def attention_heat(network: FusionNetwork, seen: Seen, *, target: Scalar = "density", threshold: float = 0.0) -> Tensor:
    """Return the mean of :func:`attention_maps` over variables and heads, ``(B, h, w)``; it is never negative.

    Args:
        network: a network whose variables read from the image, in evaluation mode.
        seen: ``B`` radiographs.
        target: not used: attention belongs to no answer.
        threshold: not used.

    Raises:
        ModelError: if the network has no such attention.
    """
    return attention_maps(network, seen).mean(dim=(1, 2))
