"""Zones of the normalised vertebral body.

Axes: ``N`` crops, ``C`` cells a side of the normalised map, ``Z`` zones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.explanation.body.points import MARGIN
from xattn_bmd.explanation.body.warp import cell_centres

ZONES = ("centre", "anterior wall", "posterior wall", "upper endplate", "lower endplate", "outside")
"""They cover the normalised map without overlap; ``outside`` is the margin: discs, soft tissue, posterior elements."""

WALL = 0.2
"""Depth of anterior and posterior wall, share of the body's width."""

ENDPLATE = 0.2
"""Depth of the endplates, share of the body's height."""


def zone_of_cells(margin: float = MARGIN) -> NDArray[np.int64]:
    """Return the place in :data:`ZONES` of every cell, ``(C, C)``; a cell near a corner goes to the nearer edge.

    Example:
        >>> [int((zone_of_cells() == place).sum()) for place in range(len(ZONES))]
        [576, 264, 264, 248, 248, 2000]
    """
    at = cell_centres(margin)
    across, along = np.meshgrid(at, at, indexing="ij")
    depth = np.round(np.stack([along / WALL, (1 - along) / WALL, across / ENDPLATE, (1 - across) / ENDPLATE]), 9)
    nearest, nearby = depth.argmin(axis=0), depth.min(axis=0)
    inner = np.where(nearby >= 1, 0, nearest + 1)
    return np.where(nearby < 0, len(ZONES) - 1, inner).astype(np.int64)


def zone_edges() -> list[list[tuple[float, float]]]:
    """Return the lines between the zones as (along, across) of the body: its outline, the centre, the four corners."""
    inner = [(WALL, ENDPLATE), (1 - WALL, ENDPLATE), (1 - WALL, 1 - ENDPLATE), (WALL, 1 - ENDPLATE)]
    outer = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    return [[*outer, outer[0]], [*inner, inner[0]], *([a, b] for a, b in zip(outer, inner, strict=True))]


def zone_means(maps: NDArray[np.float32], *, margin: float = MARGIN) -> NDArray[np.float64]:
    """Return the mean of each zone of normalised maps as a multiple of chance, ``(N, Z)``.

    The maps have a mean of 1, so heat that is spread evenly has 1 in every zone, and a zone's mean is its share of the
    heat by its share of the area.

    Args:
        maps: ``(N, C, C)`` from :func:`~xattn_bmd.explanation.body.warp.normalised_maps`.
        margin: as there.

    Returns:
        NaN for a map without heat, and for a zone that its picture does not show.
    """
    zones, known = zone_of_cells(margin), ~np.isnan(maps)
    values = np.where(known, maps, 0.0).astype(np.float64)
    each = []
    for place in range(len(ZONES)):
        inside = zones == place
        cells = known[:, inside].sum(axis=1)
        total = values[:, inside].sum(axis=1)
        each.append(np.divide(total, cells, out=np.full(len(maps), np.nan), where=cells > 0))
    return np.stack(each, axis=1)
