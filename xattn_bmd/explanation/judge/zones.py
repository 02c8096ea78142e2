"""Where inside a box the heat lies: a grid of zones, the same for every radiograph.

Source D looked at the centre, the anterior wall and the endplates of a vertebra; here the box is that of any region,
cut in ``k`` by ``k`` zones.  Every hip is turned to look like a left one: the first column is the medial side (towards
the pelvis), the last one the lateral side, the first row is above.

Axes: ``N`` radiographs, ``S`` side of the picture, ``k`` zones a side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.explanation.judge.parts import Sign, part_of

ZONES = 3


def zone_shares(
    heat: NDArray[np.float32], region: NDArray[np.float32], *, zones: int = ZONES, sign: Sign = "absolute"
) -> NDArray[np.float64]:
    """Return the share of a box's heat in each zone; evenly spread heat gives ``1 / k²`` in each.

    Args:
        heat: ``(N, S, S)``.
        region: ``(N, S, S)`` 0-1; the box is the smallest around the pixels of which at least half lies inside.
        zones: zones a side, ``k``.
        sign: which part of the heat.

    Returns:
        ``(N, k, k)``; NaN where the region is not in the picture or its box holds no heat.

    Example:
        >>> zone_shares(np.ones((1, 8, 8), np.float32), np.ones((1, 8, 8), np.float32), zones=2).tolist()
        [[[0.25, 0.25], [0.25, 0.25]]]
    """
    pairs = zip(part_of(heat, sign=sign), region >= 0.5, strict=True)
    return np.stack([_zones(one, inside, zones) for one, inside in pairs])


def _zones(heat: NDArray[np.float64], inside: NDArray[np.bool_], zones: int) -> NDArray[np.float64]:
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return np.full((zones, zones), np.nan)
    box = heat[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    summed = _cut(_cut(box, zones).T, zones).T
    total = float(summed.sum())
    return summed / total if total > 0 else np.full((zones, zones), np.nan)


def _cut(values: NDArray[np.float64], zones: int) -> NDArray[np.float64]:
    """Sum rows within each zone; a row on an edge is shared between two zones."""
    running = np.concatenate([np.zeros((1, values.shape[1])), values.cumsum(axis=0)])
    edges = np.linspace(0, len(values), zones + 1)
    at = np.minimum(edges.astype(np.int64), len(values) - 1)
    here = running[at] + (edges - at)[:, None] * (running[at + 1] - running[at])
    return np.diff(here, axis=0)
