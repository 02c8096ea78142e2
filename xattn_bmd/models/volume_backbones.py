"""Trunks that see a CT volume in three dimensions, by name; any other name is one of timm, which sees slices."""

from __future__ import annotations

from typing import NamedTuple


class DenseNetSize(NamedTuple):
    """Size of a DenseNet (Huang et al. 2017).

    Attributes:
        features: channels of the first convolution.
        growth: channels that each layer adds.
        layers: layers of each dense block; between two blocks the map is halved along each axis.
    """

    features: int
    growth: int
    layers: tuple[int, ...]


VOLUME_BACKBONES = {
    "densenet121_3d": DenseNetSize(64, 32, (6, 12, 24, 16)),
    "densenet_small_3d": DenseNetSize(16, 12, (4, 4)),
}
"""Trunks in 3-D by name: that of the source's family, and one for two CPU cores."""
