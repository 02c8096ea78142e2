"""The pointing game: whether the hottest pixel lies in a region (Zhang et al. 2018, IJCV, arXiv 1608.00507).

Axes: ``N`` radiographs, ``S`` side of the picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.explanation.judge.parts import Sign, part_of


def pointing(
    heat: NDArray[np.float32], region: NDArray[np.float32], field: NDArray[np.float32], *, sign: Sign = "absolute"
) -> NDArray[np.float64]:
    """Return 1 where the hottest pixel of the field lies in the region, else 0; NaN for a map without any heat.

    By chance it is the region's share of the field.  No tolerance is added around the region.

    Args:
        heat: ``(N, S, S)``.
        region: ``(N, S, S)`` 0-1; a pixel is inside if at least half of it is.
        field: ``(N, S, S)`` 0-1, the picture without its padding.
        sign: which part of the heat.

    Returns:
        ``(N,)``.

    Example:
        >>> heat = np.array([[[0, 3], [1, -4]]], dtype=np.float32)
        >>> region, field = heat < 0, np.ones_like(heat)
        >>> [float(pointing(heat, region.astype(np.float32), field, sign=s)[0]) for s in ("absolute", "positive")]
        [1.0, 0.0]
    """
    counted = (part_of(heat, sign=sign) * (field >= 0.5)).reshape(len(heat), -1)
    hottest = counted.argmax(axis=1)[:, None]
    inside = np.take_along_axis(region.reshape(len(heat), -1), hottest, axis=1)[:, 0] >= 0.5
    return np.where(counted.max(axis=1) > 0, inside.astype(np.float64), np.nan)
