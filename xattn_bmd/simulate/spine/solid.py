"""A vertebral body as a closed shell: its outline, drawn out to both sides and rounded off."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xattn_bmd.simulate.chest.loft import Solid, rings_faces
from xattn_bmd.simulate.mesh import Floats
from xattn_bmd.simulate.spine.shape import LOW_BACK, LOW_FRONT, POINTS, TOP_BACK, TOP_FRONT

_SLICES = 9
_ROUND = 2.7
_DEEPER = 1.3
"""The outline's endplates lie between rim and middle: the middle lies deeper, the sides are flat.  ASSUMED."""

_WALL, _ENDPLATE = 0.42, 0.55
"""Thickness of the cortex of walls and endplates at average density, mm.  ASSUMED, within published ranges."""


def body_solid(ring: Floats, *, wide: float, cortex: float) -> Solid:
    """Return the surface of a vertebral body and that of its marrow.

    World coordinates: x posterior, y towards the detector (0 in the mid-sagittal plane), z up, mm.

    Args:
        ring: ``(P, 2)`` outline in the mid-sagittal plane.
        wide: width of the body from side to side, mm.
        cortex: factor on the thickness of the cortex.

    Example:
        >>> from xattn_bmd.simulate.spine.shape import sample_rings
        >>> ring = sample_rings(np.random.default_rng(0), height_cm=165.0)[4]
        >>> body_solid(ring, wide=44.0, cortex=1.0).outer.shape
        (902, 3)
    """
    place = np.arange(POINTS)
    endplate = ((place > LOW_FRONT) & (place < LOW_BACK)) | (place > TOP_BACK)
    thick = cortex * np.where(endplate, _ENDPLATE, _WALL)
    inner = ring - thick[:, None] * outward(ring)
    return Solid(
        _drawn_out(ring, half=wide / 2),
        _drawn_out(inner, half=wide / 2 - cortex * _WALL),
        rings_faces(_SLICES, POINTS),
    )


def outward(ring: Floats) -> Floats:
    """Return unit normals ``(P, 2)`` that point out of a ring."""
    run = np.roll(ring, -2, axis=0) - np.roll(ring, 2, axis=0)
    normal = np.stack([run[:, 1], -run[:, 0]], axis=1)
    normal = normal / np.maximum(np.hypot(normal[:, :1], normal[:, 1:]), 1e-9)
    turned: Floats = normal * np.sign(np.sum(normal * (ring - ring.mean(axis=0))))
    return turned


def _drawn_out(ring: Floats, *, half: float) -> Floats:
    """Return ``(S P + 2, 3)`` points: narrower and with flatter endplates towards the sides."""
    side = np.sin(np.linspace(-0.5, 0.5, _SLICES) * np.pi * 0.97)
    narrow = (1 - np.abs(side) ** _ROUND) ** (1 / _ROUND)
    low_chord, top_chord = _chord(ring, LOW_FRONT, LOW_BACK), _chord(ring, TOP_FRONT, TOP_BACK)
    low, top = low_chord(ring[:, 0]), top_chord(ring[:, 0])
    share = np.clip((ring[:, 1] - low) / np.maximum(top - low, 1e-6), 0, 1)
    place = np.arange(POINTS)
    share[LOW_FRONT : LOW_BACK + 1], share[TOP_BACK:], share[TOP_FRONT] = 0.0, 1.0, 1.0
    flat = low + share * (top - low)
    deep = np.where((place > LOW_FRONT) & (place < LOW_BACK) | (place > TOP_BACK), _DEEPER, 1.0)
    axis = 0.7 * ring[LOW_FRONT : TOP_BACK + 1, 0].max() + 0.3 * ring[:, 0].min()
    slices = []
    for t, factor in zip(side.tolist(), narrow.tolist(), strict=True):
        x = axis + (ring[:, 0] - axis) * factor
        z = low_chord(x) + share * (top_chord(x) - low_chord(x))
        z = z + (ring[:, 1] - flat) * np.where(deep > 1, deep * (1 - t * t), 1.0)
        slices.append(np.stack([x, np.full(POINTS, half * t), z], axis=1))
    ends = [part.mean(axis=0, keepdims=True) for part in (slices[0], slices[-1])]
    return np.concatenate([*slices, *ends])


def _chord(ring: Floats, first: int, last: int) -> Callable[[Floats], Floats]:
    """Return the straight line between two points of a ring, z as a function of x."""
    x0, z0 = ring[first].tolist()
    x1, z1 = ring[last].tolist()
    slope = (z1 - z0) / (x1 - x0)
    return lambda x: z0 + slope * (x - x0)
