"""The part of a signed heat map that is judged."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Sign = Literal["absolute", "positive"]


def part_of(heat: NDArray[np.float32], *, sign: Sign = "absolute") -> NDArray[np.float64]:
    """Return heat without sign, or what of it is positive.

    Example:
        >>> part_of(np.array([-2.0, 1.0], dtype=np.float32), sign="positive").tolist()
        [0.0, 1.0]
    """
    values = heat.astype(np.float64)
    return np.abs(values) if sign == "absolute" else np.clip(values, 0.0, None)
