"""How much of the heat lies in a region, and how much would by chance.

Axes: ``N`` radiographs, ``S`` side of the picture.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.explanation.judge.parts import Sign, part_of


class Share(NamedTuple):
    """Heat of each radiograph in one region.

    Attributes:
        share: ``(N,)`` part of the heat inside, 0-1; NaN for a map without any heat.
        chance: ``(N,)`` part of the field's area inside: the share of heat that is spread evenly.
    """

    share: NDArray[np.float64]
    chance: NDArray[np.float64]


def region_share(
    heat: NDArray[np.float32], region: NDArray[np.float32], field: NDArray[np.float32], *, sign: Sign = "absolute"
) -> Share:
    """Return the share of heat in a region; heat in the black padding around the field counts for nothing.

    Args:
        heat: ``(N, S, S)``.
        region: ``(N, S, S)`` 0-1, how much of each pixel lies inside.
        field: ``(N, S, S)`` 0-1, the picture without its padding.
        sign: which part of the heat.

    Example:
        >>> heat, field = np.ones((1, 2, 2), np.float32), np.ones((1, 2, 2), np.float32)
        >>> region = np.array([[[1, 0], [0, 0]]], dtype=np.float32)
        >>> [float(value[0]) for value in region_share(heat, region, field)]
        [0.25, 0.25]
    """
    counted = part_of(heat, sign=sign) * field
    total, inside = counted.sum(axis=(1, 2)), (counted * region).sum(axis=(1, 2))
    share = np.divide(inside, total, out=np.full(len(heat), np.nan), where=total > 0)
    area = (region * field).sum(axis=(1, 2), dtype=np.float64) / field.sum(axis=(1, 2), dtype=np.float64)
    return Share(share, area)
