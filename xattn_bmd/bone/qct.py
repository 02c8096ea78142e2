"""Classes of spinal trabecular density measured by quantitative CT (QCT)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

QCT_OSTEOPOROSIS = 80.0
QCT_NORMAL = 120.0


def qct_class(density: ArrayLike) -> NDArray[np.str_]:
    """Return the class of each volumetric density of the lumbar spine.

    ``normal`` above 120, ``low`` from 80 to 120 (both included), ``osteoporosis`` below 80 mg/cm³; ``unknown`` where it
    is missing.  Source: table 2 of PMC7495321; lower cut-offs are argued for East Asian women.

    Args:
        density: (N,) or scalar, mg/cm³.

    Returns:
        Class names with the shape of ``density``.

    Example:
        >>> qct_class([79.9, 80.0, 120.0, 120.1]).tolist()
        ['osteoporosis', 'low', 'low', 'normal']
    """
    values = np.asarray(density, dtype=np.float64)
    classes = np.where(values < QCT_OSTEOPOROSIS, "osteoporosis", np.where(values > QCT_NORMAL, "normal", "low"))
    return np.where(np.isnan(values), "unknown", classes)[()]
