"""A V-Net whose residual blocks are bottlenecks (VB-Net).

Encoder, decoder and skip connections are those of V-Net (Milletari et al. 2016, arXiv 1606.04797).  The abstract of the
CT study names a "VB-Net" without describing it; a block here is 1 x 1 x 1 reduce, 3 x 3 x 3, 1 x 1 x 1 expand, as in
ResNet.  Batch norm, not instance norm: HU mean the same in every patch, and instance norm would stretch a patch of soft
tissue alone until it looks like bone beside fat.  Kernels of 3, and ReLU, where V-Net has 5 and PReLU.

Axes: ``B`` patches, ``C`` channels, ``D`` slices, ``H`` rows, ``W`` columns, ``K`` classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_MOST_CONVOLUTIONS = 3
_FEWEST_CHANNELS = 4


class VBNet(nn.Module):
    """Map a patch of CT to a logit for each class at each voxel.

    A level has 1, 2 and from the third on 3 bottlenecks, on the way down and up.

    Args:
        classes: number of classes, background included.
        width: channels at full resolution; they double with every level.
        levels: resolutions; each next one halves all axes.
        bottleneck: factor by which channels are reduced before the 3 x 3 x 3 convolution, to no fewer than 4.

    Shape:
        - input ``(B, 1, D, H, W)``, each side a multiple of ``2 ** (levels - 1)``
        - output ``(B, K, D, H, W)``

    Example:
        >>> VBNet(classes=2, width=8, levels=3, bottleneck=4)(torch.zeros(1, 1, 8, 16, 16)).shape
        torch.Size([1, 2, 8, 16, 16])
    """

    def __init__(self, *, classes: int, width: int, levels: int, bottleneck: int) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(levels)]
        counts = [min(level + 1, _MOST_CONVOLUTIONS) for level in range(levels)]
        self.first = _convolution(1, width, kernel=3)
        self.down = nn.ModuleList(_halving(fine, 2 * fine) for fine in channels[:-1])
        self.encode = nn.ModuleList(
            BottleneckBlock(width, count=count, bottleneck=bottleneck)
            for width, count in zip(channels, counts, strict=True)
        )
        self.up = nn.ModuleList(_doubling(2 * fine, fine) for fine in channels[:-1])
        self.join = nn.ModuleList(_convolution(2 * fine, fine, kernel=1) for fine in channels[:-1])
        self.decode = nn.ModuleList(
            BottleneckBlock(width, count=count, bottleneck=bottleneck)
            for width, count in zip(channels[:-1], counts[:-1], strict=True)
        )
        self.last = nn.Conv3d(width, classes, kernel_size=1)

    def forward(self, image_BCDHW: Tensor) -> Tensor:
        """Return logits ``(B, K, D, H, W)``."""
        features = self.encode[0](self.first(image_BCDHW))
        skipped = []
        for down, encode in zip(self.down, self.encode[1:], strict=True):
            skipped.append(features)
            features = encode(down(features))
        for level in reversed(range(len(skipped))):
            features = self.join[level](torch.cat([skipped[level], self.up[level](features)], dim=1))
            features = self.decode[level](features)
        logits: Tensor = self.last(features)
        return logits


class BottleneckBlock(nn.Module):
    """Bottlenecks in a row, with the input added to their output.

    Args:
        channels: of input and output.
        count: number of bottlenecks.
        bottleneck: factor by which channels are reduced in between.
    """

    def __init__(self, channels: int, *, count: int, bottleneck: int) -> None:
        super().__init__()
        reduced = max(min(_FEWEST_CHANNELS, channels), channels // bottleneck)
        layers: list[nn.Module] = []
        for number in range(count):
            layers += [_convolution(channels, reduced, kernel=1), _convolution(reduced, reduced, kernel=3)]
            layers.append(_convolution(reduced, channels, kernel=1, active=number < count - 1))
        self.change = nn.Sequential(*layers)

    def forward(self, features_BCDHW: Tensor) -> Tensor:
        """Return features of the same shape."""
        return torch.relu(features_BCDHW + self.change(features_BCDHW))


def _convolution(channels: int, out: int, *, kernel: int, active: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv3d(channels, out, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm3d(out),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if active else []))


def _halving(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(channels, out, 2, stride=2, bias=False), nn.BatchNorm3d(out), nn.ReLU(inplace=True))


def _doubling(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose3d(channels, out, 2, stride=2, bias=False),
        nn.BatchNorm3d(out),
        nn.ReLU(inplace=True),
    )
