"""The light detector: FCOS (Tian et al. 2019) on a feature pyramid of a timm trunk.

Axes: ``B`` radiographs, ``H, W`` rows and columns.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.ops import FeaturePyramidNetwork

from xattn_bmd.errors import ModelError
from xattn_bmd.models.image import build_trunk

FINEST_STRIDE = 4
"""Picture pixels between neighbours of the finest map: a vertebra of 10 pixels still has several of its own."""

_CONVOLUTIONS = 2
_HIGHEST_OVERLAP = 0.5


class PyramidTrunk(nn.Module):
    """Maps of a timm trunk from stride 4 on, brought to one number of channels (Lin et al. 2017).

    Shape:
        ``(B, 1, H, W)`` standardised → maps ``(B, width, H / stride, W / stride)`` by name, finest first.

    Args:
        backbone: name of a convolutional timm model.
        weights: first weights of the trunk; see :class:`~xattn_bmd.config.ModelConfig`.
        width: channels of every map.

    Raises:
        ModelError: if the trunk is unknown, gives fewer than two such maps, or its weights cannot be had.

    Example:
        >>> import torch
        >>> trunk = PyramidTrunk(backbone="test_resnet", weights="none", width=32)
        >>> [tuple(level.shape[2:]) for level in trunk(torch.rand(1, 1, 64, 32)).values()]
        [(16, 8), (8, 4), (4, 2), (2, 1)]
    """

    trunk: Any

    def __init__(self, *, backbone: str, weights: str, width: int) -> None:
        super().__init__()
        self.trunk = build_trunk(backbone, weights=weights)
        stages = [stage for stage in self.trunk.feature_info if stage["reduction"] >= FINEST_STRIDE]
        self.strides = tuple(int(stage["reduction"]) for stage in stages)
        if len(set(self.strides)) < 2 or len(set(self.strides)) < len(stages):
            raise ModelError(
                f"A detector needs a trunk whose maps get coarser step by step, but those of {backbone!r} have the "
                f"strides {self.strides}; choose a ResNet, EfficientNet or MobileNet."
            )
        self.out_channels = width
        self._indices = list(range(len(self.trunk.feature_info)))[-len(stages) :]
        self.pyramid = FeaturePyramidNetwork([int(stage["num_chs"]) for stage in stages], width)

    def forward(self, image_B1HW: Tensor) -> dict[str, Tensor]:
        """Return the maps by stride."""
        maps = self.trunk.forward_intermediates(image_B1HW, indices=self._indices, intermediates_only=True)
        levels: dict[str, Tensor] = self.pyramid(
            {str(stride): level for stride, level in zip(self.strides, maps, strict=True)}
        )
        return levels


def light_detector(*, labels: int, backbone: str, weights: str, width: int, size: int, floor: float) -> nn.Module:
    """Return an FCOS with classes ``0 ... labels - 1``.

    Args:
        labels: number of kinds of box.
        backbone: timm trunk.
        weights: first weights of the trunk.
        width: channels of the pyramid.
        size: longer side of the picture, pixels.
        floor: smallest score of a detection.

    Raises:
        ModelError: as :class:`PyramidTrunk`.
    """
    pyramid = PyramidTrunk(backbone=backbone, weights=weights, width=width)
    published = pyramid.trunk.pretrained_cfg
    # size twice: torchvision then leaves the picture's size as it is
    detector: nn.Module = FCOS(
        pyramid,
        labels,
        min_size=size,
        max_size=size,
        image_mean=[sum(published["mean"]) / len(published["mean"])],
        image_std=[sum(published["std"]) / len(published["std"])],
        anchor_generator=AnchorGenerator(
            tuple((stride,) for stride in pyramid.strides), ((1.0,),) * len(pyramid.strides)
        ),
        head=FCOSHead(width, 1, labels, num_convs=_CONVOLUTIONS),
        score_thresh=floor,
        nms_thresh=_HIGHEST_OVERLAP,
    )
    return detector
