"""Heat on its own grid, enlarged to the picture."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate


def enlarged(heat: NDArray[np.float32], *, size: int) -> NDArray[np.float32]:
    """Return heat at the size of the picture, straight lines between the centres of its cells.

    Args:
        heat: ``(N, h, w)``.
        size: side ``S`` of the picture, pixels.

    Returns:
        ``(N, S, S)`` float32.

    Example:
        >>> enlarged(np.array([[[0.0, 1.0]]], dtype=np.float32), size=4)[0, 0].tolist()
        [0.0, 0.25, 0.75, 1.0]
    """
    if heat.shape[1:] == (size, size):
        return heat
    given = torch.from_numpy(np.ascontiguousarray(heat))[:, None]
    larger = interpolate(given, size=(size, size), mode="bilinear", align_corners=False)
    return np.asarray(larger[:, 0].numpy(), dtype=np.float32)
