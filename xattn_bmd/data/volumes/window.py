"""A window of Hounsfield units as 0 to 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import VolumeError


def window(
    voxels: NDArray[np.float32] | NDArray[np.int16], *, low: float = -200.0, high: float = 1000.0
) -> NDArray[np.float32]:
    """Map HU linearly so that ``low`` becomes 0 and ``high`` 1, clipped there.

    The default spans fat to dense cortical bone; metal saturates.

    Args:
        voxels: HU of any shape, a patch or a volume.
        low: HU that becomes 0.
        high: HU that becomes 1.

    Returns:
        float32 of the same shape, one new array.

    Raises:
        VolumeError: if ``low`` is not below ``high``.

    Example:
        >>> window(np.array([-1000, 400, 3000], dtype=np.int16)).tolist()
        [0.0, 0.5, 1.0]
    """
    if not low < high:
        raise VolumeError(f"A window runs from low to high, but low is {low:g} and high {high:g}; exchange them.")
    shown = voxels.astype(np.float32)
    shown -= np.float32(low)
    shown *= np.float32(1.0 / (high - low))
    return np.clip(shown, 0.0, 1.0, out=shown)
