"""Overlap of the hottest part of a picture with a mask.

Axes: ``N`` radiographs, ``S`` side of the picture.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.explanation.judge.parts import Sign, part_of

TOP = 0.1
"""Hottest share of the field that is compared with a mask."""


class Overlap(NamedTuple):
    """Overlap of each radiograph; NaN for a map without any heat.

    Attributes:
        iou: ``(N,)`` intersection over union.
        dice: ``(N,)`` twice the intersection over the sum of both.
        iou_chance: ``(N,)`` the same for a hottest part that lies anywhere, up to rounding.
        dice_chance: ``(N,)`` the same.
    """

    iou: NDArray[np.float64]
    dice: NDArray[np.float64]
    iou_chance: NDArray[np.float64]
    dice_chance: NDArray[np.float64]


def top_overlap(
    heat: NDArray[np.float32],
    region: NDArray[np.float32],
    field: NDArray[np.float32],
    *,
    top: float = TOP,
    sign: Sign = "absolute",
) -> Overlap:
    """Return how the hottest ``top`` of the field overlaps a region.

    Two sets that hold the shares ``t`` and ``a`` of a field and lie independently share ``t a``: the chance values.

    Args:
        heat: ``(N, S, S)``.
        region: ``(N, S, S)`` 0-1; a pixel is inside if at least half of it is.
        field: ``(N, S, S)`` 0-1, the picture without its padding.
        top: share of the field's pixels that counts as hottest.
        sign: which part of the heat.

    Example:
        >>> heat = np.arange(100, dtype=np.float32).reshape(1, 10, 10)
        >>> float(top_overlap(heat, (heat >= 90).astype(np.float32), np.ones_like(heat)).iou[0])
        1.0
    """
    rows = [
        _overlap(*parts, top=top) for parts in zip(part_of(heat, sign=sign), region >= 0.5, field >= 0.5, strict=True)
    ]
    return Overlap(*np.array(rows, dtype=np.float64).reshape(-1, 4).T)


def _overlap(
    heat: NDArray[np.float64], region: NDArray[np.bool_], field: NDArray[np.bool_], *, top: float
) -> tuple[float, float, float, float]:
    hot, inside = heat[field], region[field]
    wanted = max(1, round(top * len(hot)))
    hottest = np.zeros(len(hot), dtype=np.bool_)
    hottest[np.argsort(-hot, kind="stable")[:wanted]] = True
    both, sizes = float((hottest & inside).sum()), float(wanted + inside.sum())
    by_chance = wanted * float(inside.mean())
    if hot.max() <= 0:
        both = np.nan
    return both / (sizes - both), 2 * both / sizes, by_chance / (sizes - by_chance), 2 * by_chance / sizes
