"""The mask head: a U-Net decoder on the maps of the encoder that also feeds the fusion.

Axes: ``B`` patients, ``H, W`` rows and columns of the picture, ``h, w`` of a feature map, ``C`` its channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from segmentation_models_pytorch.base import SegmentationHead
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import Tensor, nn

from xattn_bmd.errors import ModelError


class UNetMaskHead(nn.Module):
    """U-Net decoder (Ronneberger 2015) of segmentation-models-pytorch, one step for each map of the trunk.

    The density branch leaves the same encoder at its coarsest map, which is the natural reading of the source ("a
    regression branch into the U-Net architecture"); where it leaves there, is not known.

    Shape:
        the picture ``(B, 1, H, W)`` and the trunk's maps ``(B, C, h, w)``, finest first → logits ``(B, 1, H, W)``.

    Args:
        trunk: a timm model, of which channels and strides of the maps are read.
        backbone: its name, for the error.
        width: channels at full resolution; they double with every step down.

    Raises:
        ModelError: if the trunk's maps are not of ever coarser scale.

    Example:
        >>> import timm, torch
        >>> from xattn_bmd.models.stages import all_maps
        >>> trunk, picture = timm.create_model("test_resnet", in_chans=1), torch.rand(2, 1, 64, 64)
        >>> head = UNetMaskHead(trunk, backbone="test_resnet", width=4)
        >>> head(picture, all_maps(trunk, picture)).shape
        torch.Size([2, 1, 64, 64])
    """

    def __init__(self, trunk: Any, *, backbone: str, width: int) -> None:  # noqa: ANN401
        super().__init__()
        strides = [int(stage["reduction"]) for stage in trunk.feature_info]
        if any(coarse <= fine for fine, coarse in pairwise(strides)) or len(strides) < 2:
            raise ModelError(
                f"A mask head needs maps of ever coarser scale, but those of {backbone!r} have the strides "
                f"{', '.join(map(str, strides))}; choose a ResNet, EfficientNet or ConvNeXt, or model.mask_head='none'."
            )
        channels = [int(stage["num_chs"]) for stage in trunk.feature_info]
        steps = len(channels)
        self.decoder = UnetDecoder(
            encoder_channels=(1, *channels),
            decoder_channels=[width * 2**step for step in reversed(range(steps))],
            n_blocks=steps,
        )
        self.last = SegmentationHead(in_channels=width, out_channels=1)

    def forward(self, image_B1HW: Tensor, maps_BChw: Sequence[Tensor]) -> Tensor:
        """Return the logits ``(B, 1, H, W)`` that a pixel lies inside, in single precision."""
        logits_B1HW: Tensor = self.last(self.decoder([image_B1HW, *maps_BChw]))
        return logits_B1HW.float()
