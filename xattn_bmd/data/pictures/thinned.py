"""Every n-th row and column of a radiograph: enough for its percentiles and its fingerprint."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

SAMPLES = 512
"""Rows and columns that are left at least, where there are as many."""

Level = TypeVar("Level", bound=np.generic)


def stride(side: int) -> int:
    """Return the distance, pixels, of the lines that are looked at along a side of a radiograph.

    Example:
        >>> stride(300), stride(2500)
        (1, 4)
    """
    return max(1, side // SAMPLES)


def thinned(pixels: NDArray[Level]) -> NDArray[Level]:
    """Return a view of every n-th row and column, at least 512 of each where there are as many.

    Args:
        pixels: ``(H, W)``.

    Example:
        >>> thinned(np.zeros((2500, 2000))).shape
        (625, 667)
    """
    rows, columns = pixels.shape
    return pixels[:: stride(rows), :: stride(columns)]
