"""Find the collimation border: the flat frame around the exposed field, dark or bright."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.pictures.thinned import stride, thinned

_TOLERANCE = 0.02
_FLAT_SHARE = 0.995
_SMALLEST_SHARE = 0.3
_PASSES = 3  # a side border can hide the flat rows above it in the first pass


class Box(NamedTuple):
    """Half-open rows and columns of a rectangle, pixels."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns inside."""
        return self.bottom - self.top, self.right - self.left


def exposed_field(pixels: NDArray[np.float32]) -> Box:
    """Return the rectangle left after cutting flat rows and columns from the four edges inwards.

    A line is flat when 99.5 % of its pixels lie within 2 % of the picture's grey range of the line's own median, and
    at the level of the border (the outermost line): a shutter, unexposed detector or plain air.  Noise, a gradient, a
    soft-tissue edge or a side marker ends the cut, so it errs towards keeping.  A cut that would leave less than 30 %
    of either side is not made.

    Args:
        pixels: ``(H, W)`` float, any units.

    Example:
        >>> picture = np.zeros((64, 64), dtype=np.float32)
        >>> picture[8:60, 4:50] = np.random.default_rng(0).random((52, 46))
        >>> exposed_field(picture)
        Box(top=8, bottom=60, left=4, right=50)
    """
    height, width = pixels.shape
    whole = Box(0, height, 0, width)
    low, high = np.percentile(thinned(pixels), (0.5, 99.5))
    tolerance = max(_TOLERANCE * float(high - low), 1e-12)
    box = whole
    for _ in range(_PASSES):
        box = _cut(pixels, box, tolerance=tolerance)
    kept = min(box.shape[0] / height, box.shape[1] / width)
    return box if kept >= _SMALLEST_SHARE else whole


def _cut(pixels: NDArray[np.float32], box: Box, *, tolerance: float) -> Box:
    """Cut each edge that no earlier pass has cut: a second cut would creep up a soft gradient."""
    height, width = pixels.shape
    top, bottom = _flat_ends(pixels[box.top : box.bottom, box.left : box.right], tolerance=tolerance)
    box = box._replace(top=box.top or top, bottom=box.bottom if box.bottom < height else height - bottom)
    field = pixels[box.top : box.bottom, box.left : box.right]
    left, right = _flat_ends(field.T, tolerance=tolerance) if len(field) else (0, 0)
    return box._replace(left=box.left or left, right=box.right if box.right < width else width - right)


def _flat_ends(lines: NDArray[np.float32], *, tolerance: float) -> tuple[int, int]:
    """Count the flat lines before the first and after the last line with content."""
    first = _flat_run(lines, tolerance=tolerance)
    last = _flat_run(lines[::-1], tolerance=tolerance) if first < len(lines) else 0
    return first, last


def _flat_run(lines: NDArray[np.float32], *, tolerance: float) -> int:
    if not len(lines) or not lines.shape[1]:
        return 0
    step = stride(lines.shape[1])
    level = float(np.median(lines[0, ::step]))
    for position, line in enumerate(lines):
        near = np.abs(line[::step] - level) <= tolerance
        if near.mean() < _FLAT_SHARE or (np.abs(line - level) <= tolerance).mean() < _FLAT_SHARE:
            return position
    return len(lines)
