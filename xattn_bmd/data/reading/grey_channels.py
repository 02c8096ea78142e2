"""Grey pictures that were stored in colour channels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import RadiographError

_LOSSY_DIFFERENCE = 2 / 255


def grey_channel(array: NDArray[Any], *, name: str) -> NDArray[Any]:
    """Return the one grey channel of a picture whose colour channels agree.

    Args:
        array: ``(H, W, 3)`` integers or floats.
        name: file name for the message.

    Returns:
        ``(H, W)``, the middle (green) channel, which lossy compression keeps best.

    Raises:
        RadiographError: if the channels differ by more than lossy compression explains: real colour.

    Example:
        >>> grey_channel(np.full((2, 2, 3), 7), name="hip.png")
        array([[7, 7],
               [7, 7]])
    """
    if array.ndim != 3 or array.shape[2] != 3:
        raise _in_colour(name)
    green = array[..., 1]
    for channel in (array[..., 0], array[..., 2]):
        if np.array_equal(channel, green):
            continue
        full = np.iinfo(array.dtype).max if np.issubdtype(array.dtype, np.integer) else float(np.abs(array).max())
        if np.abs(channel.astype(np.float64) - green).max() > _LOSSY_DIFFERENCE * full:
            raise _in_colour(name)
    return green


def _in_colour(name: str) -> RadiographError:
    return RadiographError(
        f"A radiograph is grey, but {name} is in colour (its channels differ, as with drawn marks or a photograph); "
        "export the original in grey levels."
    )
