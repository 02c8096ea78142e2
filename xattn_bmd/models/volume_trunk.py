"""Trunks that see a CT volume in three dimensions: DenseNets of MONAI, described as timm describes its models.

Axes: ``B`` patients, ``S, H, W`` slices, rows and columns of the volume, ``C, s, h, w`` channels, slices, rows and
columns of a feature map.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from xattn_bmd.errors import ModelError
from xattn_bmd.models.volume_backbones import VOLUME_BACKBONES, DenseNetSize

FIRST_STRIDE = 4
"""Voxels behind one cell of the first dense block: a convolution and a pooling of stride 2."""


class VolumeTrunk(nn.Module):
    """A DenseNet in 3-D down to its last feature map; weights are random unless a file is given.

    Shape:
        ``(B, 1, S, H, W)`` → ``(B, C, s, h, w)``; each side is divided by the stride, 32 or 8; what is left is dropped.

    Args:
        backbone: a name in :data:`~xattn_bmd.models.volume_backbones.VOLUME_BACKBONES`.

    Raises:
        ModelError: if MONAI is not installed, or, when called, if a side of the volume is shorter than the stride.

    Example:
        >>> import torch
        >>> trunk = VolumeTrunk("densenet_small_3d").eval()
        >>> trunk(torch.rand(2, 1, 8, 32, 40)).shape
        torch.Size([2, 80, 1, 4, 5])
    """

    def __init__(self, backbone: str) -> None:
        super().__init__()
        size = VOLUME_BACKBONES[backbone]
        network = _monai_densenet()(
            spatial_dims=3,
            in_channels=1,
            out_channels=1,
            init_features=size.features,
            growth_rate=size.growth,
            block_config=size.layers,
        )
        self.backbone = backbone
        self.layers: nn.Sequential = network.features
        self.pretrained_cfg = {"mean": (0.5,), "std": (0.25,)}
        self.feature_info = _stages(size)

    @property
    def stride(self) -> int:
        """Voxels behind one cell of the last map, along each axis."""
        return int(self.feature_info[-1]["reduction"])

    def forward(self, volume_B1SHW: Tensor) -> Tensor:
        """Return the last map ``(B, C, s, h, w)``."""
        sides = tuple(volume_B1SHW.shape[2:])
        if min(sides) < self.stride:
            raise ModelError(
                f"The backbone {self.backbone!r} needs volumes of at least {self.stride} slices, rows and columns, but "
                f"{' x '.join(map(str, sides))} was given; make image.slices or image.size larger, or take "
                "'densenet_small_3d' or a timm model for single slices."
            )
        return F.relu(self.layers(volume_B1SHW))


def _stages(size: DenseNetSize) -> list[dict[str, Any]]:
    """Return channels and stride of each dense block, as timm describes a trunk's maps."""
    stages, channels = [], size.features
    for number, layers in enumerate(size.layers):
        channels += layers * size.growth
        name = f"layers.denseblock{number + 1}"
        stages.append({"num_chs": channels, "reduction": FIRST_STRIDE * 2**number, "module": name})
        channels //= 2
    return stages


def _monai_densenet() -> Any:  # noqa: ANN401
    try:
        from monai.networks.nets.densenet import DenseNet
    except ImportError as cause:
        raise ModelError(
            "A backbone in 3-D is MONAI's, which is not installed; install it with pip install 'xattn-bmd[ct]', or "
            "take a timm model, which sees each slice."
        ) from cause
    return DenseNet
