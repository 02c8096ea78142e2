"""The rows and columns of a radiograph that a crop takes."""

from __future__ import annotations

import math

from xattn_bmd.data.pictures.border import Box
from xattn_bmd.data.radiograph import SMALLEST_SIDE


def crop_field(corners: tuple[float, float, float, float], *, margin: float, shape: tuple[int, int]) -> Box:
    """Return a box with its margin, in whole pixels.

    The margin is cut at the radiograph's edge: nothing is made up outside.  A field with fewer than 32 rows or columns,
    the least that a radiograph has, is widened to 32 about its middle, or from the edge inwards.

    Args:
        corners: ``x0, y0, x1, y1``, pixels of the radiograph.
        margin: share of the box's width and height that is added on each side.
        shape: rows and columns of the radiograph.

    Example:
        >>> crop_field((100.0, 50.0, 200.0, 100.0), margin=0.1, shape=(400, 205))
        Box(top=45, bottom=105, left=90, right=205)
        >>> crop_field((0.0, 50.0, 10.0, 60.0), margin=0.0, shape=(400, 205))
        Box(top=39, bottom=71, left=0, right=32)
    """
    x0, y0, x1, y1 = corners
    left, right = _side(x0, x1, margin=margin, length=shape[1])
    top, bottom = _side(y0, y1, margin=margin, length=shape[0])
    return Box(top=top, bottom=bottom, left=left, right=right)


def _side(low: float, high: float, *, margin: float, length: int) -> tuple[int, int]:
    more = margin * (high - low)
    start, end = max(math.floor(low - more), 0), min(math.ceil(high + more), length)
    if end - start >= SMALLEST_SIDE:
        return start, end
    start = min(max(start - (SMALLEST_SIDE - (end - start)) // 2, 0), length - SMALLEST_SIDE)
    return start, start + SMALLEST_SIDE
