"""HiResCAM at a fine map: where the picture differs from an empty one, and what that does to the answer.

Axes: ``B`` radiographs, ``C, h, w`` channels, rows and columns of a feature map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xattn_bmd.explanation.heat.integrated_gradients import mean_grey
from xattn_bmd.explanation.heat.layer_gradient import map_and_gradient, map_at
from xattn_bmd.explanation.heat.seen import Answer, Scalar, Seen
from xattn_bmd.models.image import ImageEncoder
from xattn_bmd.models.network import FusionNetwork

STRIDE = 8
"""Pixels of the picture behind one cell: fine enough for a femoral neck, deep enough to know a bone's edge."""


def hirescam(network: FusionNetwork, seen: Seen, *, target: Scalar = "density", threshold: float = 0.0) -> Tensor:
    """Return HiResCAM (Draelos and Carin 2020, arXiv 2011.08891) of an inner map, against an empty picture.

    ``heat[i, j] = Σ_c ∂answer/∂map[c, i, j] · (map[c, i, j] - empty[c, i, j])``, with ``empty`` the map of a picture of
    the radiograph's own mean grey.  Grad-CAM takes the mean of the gradient over the places first; a fusion that reads
    tokens answers each place in its own way, and that mean forgets it.  Two choices are ours: the map of stride
    8 in place of the last one, whose cells are wider than a femoral neck, and the difference from ``empty``, so
    that a channel that is bright everywhere has no heat.  The heat is the first-order change from the empty picture:
    it adds up to the answer's change only as far as the network is linear.

    Args:
        network: a network with an image encoder, in evaluation mode.
        seen: ``B`` radiographs; a stored map is not used, for it lies behind the fine one.
        target: what is explained.
        threshold: density of the threshold of ``low_density``, g/cm².

    Returns:
        ``(B, h, w)`` float32, in the unit of the answer.

    Example:
        >>> from xattn_bmd.explanation.heat.example import example
        >>> hirescam(*example()).shape
        torch.Size([2, 8, 8])
    """
    assert network.image_encoder is not None
    answer = Answer(network, target=target, threshold=threshold)
    layer, into = fine_layer(network.image_encoder)
    shown, gradient = map_and_gradient(answer, layer, seen.image, seen.variables, into=into)
    with torch.no_grad():
        empty = map_at(answer, layer, mean_grey(seen.image), seen.variables, into=into)
    return (gradient * (shown - empty)).sum(dim=1).float()


def fine_layer(encoder: ImageEncoder) -> tuple[nn.Module, bool]:
    """Return the layer whose map is looked at, and whether that is the map that goes into it.

    The trunk's last stage of at most :data:`STRIDE` pixels a cell; for a trunk without one (a vision transformer), what
    goes into the projection: its last map.

    Example:
        >>> encoder = ImageEncoder(backbone="test_resnet", weights="none", width=16)
        >>> fine_layer(encoder) == (encoder.trunk.layer2, False)
        True
    """
    stages = [stage for stage in encoder.trunk.feature_info if stage["reduction"] <= STRIDE]
    if not stages:
        return encoder.project, True
    return encoder.trunk.get_submodule(stages[-1]["module"]), False
