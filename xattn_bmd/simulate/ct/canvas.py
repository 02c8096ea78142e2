"""One slice of a volume, onto which shapes are laid one over the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xattn_bmd.simulate.ct.grid import Values, cover


@dataclass(frozen=True)
class Canvas:
    """A slice and where its pixels lie.

    Attributes:
        hu: ``(H, W)``, changed in place.
        x: ``(W,)`` mm, rising evenly.
        y: ``(H,)`` mm, rising evenly.
    """

    hu: Values
    x: Values
    y: Values

    @property
    def pixel(self) -> float:
        """Distance between two pixels, mm."""
        return float(self.y[1] - self.y[0])

    def part(self, x: float, y: float, reach: float) -> Canvas | None:
        """Return the pixels within ``reach`` mm of a point along both axes; None where there are none."""
        columns, rows = _near(self.x, x, reach), _near(self.y, y, reach)
        if columns.stop - columns.start < 2 or rows.stop - rows.start < 2:
            return None
        return Canvas(self.hu[rows, columns], self.x[columns], self.y[rows])

    def lay(self, depth: Values, value: float | Values) -> None:
        """Lay a value where pixels lie inside a surface ``depth`` mm away, edges in between."""
        share = cover(depth, self.pixel)
        self.hu[...] += share * (value - self.hu)

    def ellipse(
        self, x: float, y: float, radii: tuple[float, float], *, power: float = 2.0, turn: float = 0.0
    ) -> Values:
        """Return how deep each pixel lies in an ellipse, mm; right near its edge.

        Args:
            x: of its middle.
            y: of its middle.
            radii: across and along.
            power: 2 for an ellipse, more for a squarer one.
            turn: slope of its long axis.
        """
        across, along = self.x[None, :] - np.float32(x), self.y[:, None] - np.float32(y)
        if turn:
            across, along = across + np.float32(turn) * along, along - np.float32(turn) * across
        across, along = np.abs(across) * np.float32(1 / radii[0]), np.abs(along) * np.float32(1 / radii[1])
        square = across**power + along**power
        depth: Values = np.float32(min(radii)) * (1 - (np.sqrt(square) if power == 2 else square ** (1 / power)))
        return depth

    def disc(self, at: tuple[float, float], radii: tuple[float, float], value: float, *, turn: float = 0.0) -> None:
        """Lay an ellipse of one value, touching only the pixels around it.

        Example:
            >>> canvas = Canvas(np.zeros((9, 9), np.float32), *(np.arange(9, dtype=np.float32) for _ in range(2)))
            >>> canvas.disc((4.0, 4.0), (2.0, 2.0), 100.0)
            >>> canvas.hu[4].tolist()
            [0.0, 0.0, 50.0, 100.0, 100.0, 100.0, 50.0, 0.0, 0.0]
        """
        part = self.part(*at, 1.3 * max(radii) + 2 * self.pixel)
        if part is not None:
            part.lay(part.ellipse(*at, radii, turn=turn), value)


def _near(axis: Values, middle: float, reach: float) -> slice:
    """Return the indices of an even rising axis within reach."""
    step = float(axis[1] - axis[0])
    first = int(np.ceil((middle - reach - float(axis[0])) / step))
    last = int(np.floor((middle + reach - float(axis[0])) / step))
    return slice(max(first, 0), max(min(last + 1, len(axis)), 0))
