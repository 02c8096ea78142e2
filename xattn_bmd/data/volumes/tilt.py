"""Gantry tilt: slices that are shifted against each other within their plane, put straight."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.volumes.hounsfield import AIR_FLOOR


class Straightening:
    """Shifts each slice of a tilted stack onto one upright grid, by linear interpolation within its plane.

    The grid is wider than the slices, so that nothing is cut off; what no slice covers is air (-1024 HU).

    Args:
        shape: ``(rows, columns)`` of a slice.
        slices: number of slices.
        drift_pixels: rows and columns by which each slice lies off the normal through the one before.

    Example:
        >>> straightening = Straightening((2, 2), slices=3, drift_pixels=(1.0, 0.0))
        >>> straightening.shape
        (4, 2)
        >>> straightening.straight(np.zeros((2, 2), dtype=np.float32), 1)[:, 0].tolist()
        [-1024.0, 0.0, 0.0, -1024.0]
    """

    def __init__(self, shape: tuple[int, int], *, slices: int, drift_pixels: tuple[float, float]) -> None:
        ends = [drift * (slices - 1) for drift in drift_pixels]
        self._drift = drift_pixels
        self._slice = shape
        self.first_pixel = tuple(math.floor(min(0.0, end)) for end in ends)
        last = [side + math.ceil(max(0.0, end)) for side, end in zip(shape, ends, strict=True)]
        self.shape = (last[0] - self.first_pixel[0], last[1] - self.first_pixel[1])

    def straight(self, values: NDArray[np.float32], number: int) -> NDArray[np.float32]:
        """Return slice ``number`` on the upright grid.

        Args:
            values: ``(rows, columns)`` HU.
            number: its place in the stack.
        """
        from scipy.ndimage import shift

        offsets = [drift * number - first for drift, first in zip(self._drift, self.first_pixel, strict=True)]
        whole = [math.floor(offset + 1e-6) for offset in offsets]
        grid = np.full((self.shape[0] + 1, self.shape[1] + 1), AIR_FLOOR, dtype=np.float32)
        rows, columns = self._slice
        grid[whole[0] : whole[0] + rows, whole[1] : whole[1] + columns] = values
        part = [offset - start for offset, start in zip(offsets, whole, strict=True)]
        if max(abs(fraction) for fraction in part) > 1e-5:
            grid = shift(grid, part, order=1, mode="constant", cval=AIR_FLOOR)
        return grid[: self.shape[0], : self.shape[1]]

    def affine(self, affine: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the affine of the upright grid.

        Args:
            affine: ``(4, 4)`` from ``(k, row, column, 1)`` of the first slice's pixels to mm.
        """
        moved = affine.copy()
        moved[:3, 3] += affine[:3, 1:3] @ np.array(self.first_pixel)
        return moved
