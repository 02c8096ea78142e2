"""One vertebra as signed distances in its own coordinates: body with waist and hollow endplates, arch and processes.

Dimensions are rounded, near the means of adults that the anatomical literature gives (as Panjabi et al. 1992, Spine
17:299-306, whose tables were not at hand): treat them as assumptions.  No scan was used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Size:
    """Dimensions of one vertebra, mm.

    Attributes:
        half_width: of the endplates, left to right.
        half_depth: of the endplates, front to back.
        half_height: of the body at its rim.
        hollow: depth of each endplate's hollow.
        waist: share by which the body narrows at mid-height.
        pedicle: half-width of a pedicle; its half-height follows.
        canal: half-width and half-depth of the spinal canal.
        spinous: how far the spinous process reaches behind the canal.
        transverse: half the span of the transverse processes.
        disc: height of the disc below.
    """

    half_width: float
    half_depth: float
    half_height: float
    hollow: float
    waist: float
    pedicle: float
    canal: tuple[float, float]
    spinous: float
    transverse: float
    disc: float

    @property
    def canal_v(self) -> float:
        """Where the middle of the canal lies behind the middle of the body."""
        return 0.9 * self.half_depth + self.canal[1]

    @property
    def pedicle_at(self) -> tuple[float, float]:
        """Where the pedicles lie beside and above the middle of the body."""
        return self.canal[0] + self.pedicle, 0.30 * self.half_height


#              width depth height pedicle  canal         spinous transverse disc
_MEANS = {
    "T11": (18.5, 14.5, 11.5, 3.8, (9.5, 8.2), 24.0, 25.0, 6.0),
    "T12": (20.0, 15.5, 12.3, 4.2, (10.5, 8.8), 24.0, 25.0, 7.0),
    "L1": (21.3, 16.6, 13.0, 4.2, (11.2, 9.2), 27.0, 36.0, 8.0),
    "L2": (22.0, 17.2, 13.4, 4.4, (11.3, 8.9), 29.0, 39.0, 9.0),
    "L3": (22.9, 17.5, 13.5, 5.2, (11.6, 8.7), 29.0, 44.0, 10.0),
    "L4": (23.9, 17.7, 13.4, 6.6, (12.2, 9.0), 26.0, 41.0, 10.5),
    "L5": (24.8, 17.7, 13.2, 8.6, (13.2, 9.2), 20.0, 43.0, 9.5),
    "S1": (26.0, 16.5, 14.0, 9.0, (14.5, 8.0), 10.0, 44.0, 3.0),
}


def sample_size(rng: np.random.Generator, level: str, *, scale: float) -> Size:
    """Draw the dimensions of a vertebra.

    Args:
        rng: draws what belongs to the person.
        level: ``"T11"`` to ``"S1"``.
        scale: factor for stature and sex.

    Example:
        >>> 18 < sample_size(np.random.default_rng(0), "L1", scale=1.0).half_width < 25
        True
    """
    width, depth, height, pedicle, canal, spinous, transverse, disc = _MEANS[level]
    spread = np.exp(0.03 * rng.standard_normal(8))
    half_height = scale * height * float(spread[2])
    return Size(
        half_width=scale * width * float(spread[0]),
        half_depth=scale * depth * float(spread[1]),
        half_height=half_height,
        hollow=float(np.clip(1.6 + 0.6 * rng.standard_normal(), 0.4, 3.0)),
        waist=float(np.clip(0.11 + 0.025 * rng.standard_normal(), 0.05, 0.17)),
        pedicle=pedicle * float(spread[3]) ** 3,
        canal=(canal[0] * float(spread[4]), canal[1] * float(spread[4])),
        spinous=scale * spinous * float(spread[5]) ** 2,
        transverse=scale * transverse * float(spread[6]),
        disc=scale * disc * float(np.clip(spread[7] ** 5, 0.55, 1.3)),
    )


def body_distances(u: Values, v: Values, w: Values, size: Size) -> tuple[Values, Values]:
    """Return how deep points lie below the wall and below the nearer endplate of the body, mm; negative outside.

    Args:
        u: to the patient's left of the middle of the body, mm; the three broadcast.
        v: behind it.
        w: above it, along the axis of the vertebra.
        size: of the vertebra.

    Example:
        >>> size = sample_size(np.random.default_rng(0), "L1", scale=1.0)
        >>> zero = np.zeros(1, np.float32)
        >>> [bool(depth[0] > 5) for depth in body_distances(zero, zero, zero, size)]
        [True, True]
    """
    level = np.minimum(np.abs(w) / size.half_height, 1.0)
    narrow = 1.0 - size.waist * (1.0 - level * level)
    across = np.square(u / size.half_width)
    back = np.maximum(v, 0.0) * (0.24 * np.maximum(1.0 - 2.2 * across, 0.0))  # the wall to the canal is hollow
    radius = np.sqrt(across + np.square((v + back) / size.half_depth)) / narrow
    reach = np.sqrt(u * u + v * v)
    wall = np.where(radius > 0.2, reach * (1.0 / np.maximum(radius, 0.2) - 1.0), size.half_depth * (1.0 - radius))
    hollow = size.hollow * np.maximum(1.0 - 1.25 * radius * radius, 0.0)
    return wall.astype(np.float32), (size.half_height - hollow - np.abs(w)).astype(np.float32)


def arch_distance(u: Values, v: Values, w: Values, size: Size) -> Values:
    """Return how deep points lie in pedicles, laminae and processes, mm; negative outside.  Arguments as above.

    Example:
        >>> size = sample_size(np.random.default_rng(0), "L1", scale=1.0)
        >>> x, z = size.pedicle_at
        >>> point = (np.full(1, value, np.float32) for value in (x, size.half_depth, z))
        >>> bool(arch_distance(*point, size)[0] > 2)
        True
    """
    aside = np.abs(u)
    parts = (_pedicle, _lamina, _spinous, _transverse, _superior_facet, _inferior_facet)
    depth = parts[0](aside, v, w, size)
    for part in parts[1:]:
        np.maximum(depth, part(aside, v, w, size), out=depth)
    return depth.astype(np.float32)


def _ellipsoid(axes: tuple[tuple[Values, float], ...]) -> Values:
    smallest = min(radius for _, radius in axes)
    total = sum(np.square(offset / np.float32(radius)) for offset, radius in axes)
    depth: Values = smallest * (1.0 - np.sqrt(total))
    return depth


def _pedicle(u: Values, v: Values, w: Values, size: Size) -> Values:
    x, z = size.pedicle_at
    round_ = _ellipsoid(((u - x, size.pedicle), (w - z, 7.2)))
    depth: Values = np.minimum(round_, np.minimum(v - 0.55 * size.half_depth, size.canal_v + 3.0 - v))
    return depth


def _lamina(u: Values, v: Values, w: Values, size: Size) -> Values:
    wide, deep = size.canal
    behind = v - size.canal_v
    outer = _ellipsoid(((u, wide + 6.5), (behind, deep + 6.0)))
    inner = _ellipsoid(((u, wide), (behind, deep)))
    high = 0.62 * size.half_height - np.abs(w + 0.35 * size.half_height + 0.25 * behind)
    depth: Values = np.minimum(np.minimum(outer, -inner), np.minimum(high, behind + 3.0))
    return depth


def _spinous(u: Values, v: Values, w: Values, size: Size) -> Values:
    start = size.canal_v + size.canal[1]
    share = np.clip((v - start) / size.spinous, 0.0, 1.0)
    blunt = np.sqrt(1.0 - share**8)
    thick, high = (2.6 + 2.0 * share) * blunt + 0.01, 0.62 * size.half_height * (0.85 + 0.25 * share) * blunt + 0.01
    lower = w + 0.5 * size.half_height + 0.22 * (v - start)
    radius = np.sqrt(np.square(u / thick) + np.square(np.square(lower / high)))
    depth: Values = np.minimum(thick * (1.0 - radius), np.minimum(v - start + 3.0, start + size.spinous - v))
    return depth


def _transverse(u: Values, v: Values, w: Values, size: Size) -> Values:
    x, z = size.pedicle_at
    out = np.clip((u - x) / (size.transverse - x), 0.0, 1.0)
    thick = (4.4 - 1.6 * out) * np.sqrt(1.0 - out**6)
    apart = np.sqrt(np.square(v - 0.95 * size.half_depth - 5.0 - 6.0 * out) + np.square(0.75 * (w - z - 2.5 * out)))
    depth: Values = np.minimum(thick - apart, np.minimum(u - x + 2.0, size.transverse - u))
    return depth


def _superior_facet(u: Values, v: Values, w: Values, size: Size) -> Values:
    at = size.canal[0] + 6.0
    return _ellipsoid(((u - at, 5.2), (v - size.canal_v - 3.5, 6.5), (w - 0.75 * size.half_height, 9.5)))


def _inferior_facet(u: Values, v: Values, w: Values, size: Size) -> Values:
    at = size.canal[0] + 1.0
    return _ellipsoid(((u - at, 5.2), (v - size.canal_v - 8.0, 5.8), (w + 1.05 * size.half_height, 11.0)))
