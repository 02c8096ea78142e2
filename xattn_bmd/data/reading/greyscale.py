"""Stored integers and the exact linear map to the grey levels they stand for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_LARGEST_TABLE = 1 << 20


@dataclass(frozen=True)
class Greyscale:
    """Integer levels with a pending linear map ``value = slope * level + intercept``.

    Slope and intercept are fractions, so that a MONOCHROME1 file and its inverted MONOCHROME2 copy arrive at the same
    integers *and* the same map, hence at pixels that are equal to the last bit.

    Attributes:
        levels: ``(H, W)`` int32 stored values.
        lowest: smallest level that the format can store.
        highest: largest level that the format can store.
        slope: value units for each level.
        intercept: value at level 0.
        sigmoid: whether the logistic function ``1 / (1 + exp(-4 value))`` follows the linear map.
    """

    levels: NDArray[np.int32]
    lowest: int
    highest: int
    slope: Fraction = Fraction(1)
    intercept: Fraction = Fraction(0)
    sigmoid: bool = False

    def rescaled(self, *, slope: Fraction, intercept: Fraction) -> Greyscale:
        """Return the same levels with ``slope * value + intercept`` as their new value."""
        return replace(self, slope=self.slope * slope, intercept=self.intercept * slope + intercept)

    def looked_up(self, table: NDArray[np.int32], *, first: int, highest: int) -> Greyscale:
        """Return the values looked up in a table whose entry 0 belongs to value ``first``; ends are held."""
        values = self.levels.astype(np.int64)
        if self.slope != 1 or self.intercept != 0:
            values = np.rint(values * float(self.slope) + float(self.intercept)).astype(np.int64)
        return Greyscale(levels=table[np.clip(values - first, 0, len(table) - 1)], lowest=0, highest=highest)

    def inverted(self, *, about: Fraction | None = None) -> Greyscale:
        """Return the negative: each value becomes ``about - value``.

        Args:
            about: sum of the darkest and the brightest value; None takes the ends of the format's own range.
        """
        ends = self.lowest + self.highest
        total = self.slope * ends + 2 * self.intercept if about is None else about
        # mirrors the integers and keeps the slope, so nothing is rounded differently from a file stored that way
        return replace(
            self,
            levels=np.subtract(ends, self.levels, dtype=np.int32),
            intercept=total - self.intercept - self.slope * ends,
        )

    def pixels(self) -> NDArray[np.float32]:
        """Return the values, ``(H, W)`` float32."""
        low, high = int(self.levels.min()), int(self.levels.max())
        if high - low >= _LARGEST_TABLE:
            return self._values(self.levels)
        table = self._values(np.arange(low, high + 1, dtype=np.int32))
        return table[np.subtract(self.levels, low, dtype=np.intp)]

    def _values(self, levels: NDArray[np.int32]) -> NDArray[np.float32]:
        values = levels * float(self.slope) + float(self.intercept)
        if self.sigmoid:
            # tanh form: no overflow for levels far outside the window
            values = 0.5 + 0.5 * np.tanh(2.0 * values)
        return values.astype(np.float32)
