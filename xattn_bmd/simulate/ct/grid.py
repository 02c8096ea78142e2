"""Where the voxels of a simulated volume lie: x to the patient's left, y to posterior, z to the head, mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Voxels of a volume, slices from head to feet.

    Attributes:
        shape: slices, rows, columns.
        spacing_mm: between their centres.
        first_mm: z, y, x of the first voxel's centre.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    first_mm: tuple[float, float, float]

    @property
    def z(self) -> Values:
        """Height of each slice, ``(D,)`` mm."""
        return (self.first_mm[0] - np.arange(self.shape[0]) * self.spacing_mm[0]).astype(np.float32)

    @property
    def y(self) -> Values:
        """Place of each row, ``(H,)`` mm."""
        return (self.first_mm[1] + np.arange(self.shape[1]) * self.spacing_mm[1]).astype(np.float32)

    @property
    def x(self) -> Values:
        """Place of each column, ``(W,)`` mm."""
        return (self.first_mm[2] + np.arange(self.shape[2]) * self.spacing_mm[2]).astype(np.float32)

    @property
    def affine(self) -> NDArray[np.float64]:
        """``(4, 4)`` from the index ``(d, h, w, 1)`` to x, y, z."""
        matrix = np.zeros((4, 4))
        matrix[2, 0], matrix[1, 1], matrix[0, 2] = -self.spacing_mm[0], self.spacing_mm[1], self.spacing_mm[2]
        matrix[:, 3] = (self.first_mm[2], self.first_mm[1], self.first_mm[0], 1.0)
        return matrix

    def finer(self, factor: int) -> Grid:
        """Return the grid with each slice cut into ``factor`` ones."""
        step = self.spacing_mm[0] / factor
        return Grid(
            shape=(self.shape[0] * factor, *self.shape[1:]),
            spacing_mm=(step, *self.spacing_mm[1:]),
            first_mm=(self.first_mm[0] + (self.spacing_mm[0] - step) / 2, *self.first_mm[1:]),
        )


def span(axis: Values, low: float, high: float) -> slice:
    """Return the indices of an even axis, rising or falling, whose values lie from ``low`` to ``high``.

    Example:
        >>> span(np.array([3.0, 2.0, 1.0, 0.0], dtype=np.float32), 0.5, 2.5)
        slice(1, 3, None)
    """
    inside = np.flatnonzero((axis >= low) & (axis <= high))
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)


def cover(depth: Values, voxel: float) -> Values:
    """Return the share of each voxel that lies inside a surface ``depth`` mm away, seen along its normal.

    Example:
        >>> cover(np.array([-1.0, 0.0, 0.25], dtype=np.float32), 1.0).tolist()
        [0.0, 0.5, 0.75]
    """
    share = depth / np.float32(voxel)
    share += np.float32(0.5)
    return np.clip(share, 0.0, 1.0, out=share)
