"""Grad-CAM of a CT volume, back on its voxels.

Axes: ``B`` volumes, ``S, H, W`` slices, rows and columns, ``s, h, w`` those of the last feature map.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from xattn_bmd.errors import ModelError
from xattn_bmd.explanation.heat.grad_cam import grad_cam
from xattn_bmd.explanation.heat.seen import Seen, Target
from xattn_bmd.models.network import FusionNetwork


def volume_heat(network: FusionNetwork, seen: Seen, *, target: Target = "density", threshold: float = 0.0) -> Tensor:
    """Return :func:`~xattn_bmd.explanation.heat.grad_cam.grad_cam` of volumes, interpolated to their voxels.

    Args:
        network: a network that sees volumes, in 3-D or slice by slice, in evaluation mode.
        seen: ``B`` volumes; ``image`` is ``(B, S, H, W)``, also where stored maps are seen in its place.
        target: what is explained.
        threshold: density of the threshold of ``low_density``.

    Returns:
        ``(B, S, H, W)`` float32, in the unit of the answer.

    Raises:
        ModelError: if the network looks at no picture, or radiographs were given.

    Example:
        >>> import torch
        >>> from xattn_bmd.explanation.heat.example import example
        >>> network, seen = example()
        >>> volumes = Seen(torch.rand(2, 4, 64, 64), seen.variables)
        >>> volume_heat(network, volumes).shape
        torch.Size([2, 4, 64, 64])
    """
    encoder, sides = network.image_encoder, seen.image.shape[1:]
    if encoder is None or sides[0] < 2:
        raise ModelError(
            f"Heat on voxels needs a network that looks at images and CT volumes (B, S, H, W), but "
            f"{'one of the record alone' if encoder is None else f'{sides[0]} slice'} was given; take grad_cam for "
            "radiographs."
        )
    stacked = grad_cam(network, seen, target=target, threshold=threshold)
    slices = sides[0] // encoder.trunk.stride if encoder.sees_volumes else sides[0]
    heat_BShw = stacked.reshape(len(stacked), slices, -1, stacked.shape[2])
    return F.interpolate(heat_BShw[:, None], size=tuple(sides), mode="trilinear", align_corners=False)[:, 0]
