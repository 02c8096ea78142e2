"""Blood vessels of the lungs: trees that branch from each hilum and thin out towards the pleura."""

from __future__ import annotations

import numpy as np

from xattn_bmd.simulate.chest.loft import Solid
from xattn_bmd.simulate.chest.thorax import Thorax
from xattn_bmd.simulate.mesh import Floats

_GENERATIONS = 7
_SIDES = 6
_ROOTS = ((62, 0.9), (38, 0.8), (8, 0.9), (-20, 1.0), (-42, 1.15), (-62, 1.25), (-80, 1.1), (25, 0.7), (-55, 0.8))
"""Direction of each lobar vessel above the horizontal, degrees, and factor on its calibre: more flows to the base."""

_HILA = {1: (30.0, -6.0, 26.0), -1: (-30.0, -6.0, 14.0)}
_FIRST_RADIUS, _THINNER = 5.2, 0.735
_FIRST_LENGTH, _SHORTER = 26.0, 0.90
_SMALLEST = 0.42


def vessels(rng: np.random.Generator, *, thorax: Thorax, floor: float) -> Solid:
    """Return the vessels of both lungs above the height ``floor`` as one solid.

    Args:
        rng: draws the trees; they belong to the person.
        thorax: size of the chest.
        floor: lowest z that a branch may begin at, mm.

    Example:
        >>> from xattn_bmd.simulate.chest.thorax import sample_thorax
        >>> rng = np.random.default_rng(0)
        >>> thorax = sample_thorax(rng, height_cm=170, bmi=26, sex="male")
        >>> len(vessels(rng, thorax=thorax, floor=-90.0).faces) > 3000
        True
    """
    pieces = [_tree(rng, side=side, thorax=thorax, floor=floor) for side in (1, -1)]
    start, end, radius, thin = (np.concatenate([piece[part] for piece in pieces]) for part in range(4))
    return _cones(start, end, radius, thin)


def _tree(
    rng: np.random.Generator, *, side: int, thorax: Thorax, floor: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return starts, ends and the radii there of all branches of one lung."""
    angle = np.radians([degrees + rng.normal(0, 6) for degrees, _ in _ROOTS])
    depth = rng.normal(0, 0.55, size=len(angle))
    heading = np.stack([side * np.cos(angle), depth, np.sin(angle)], axis=1)
    start = np.array(_HILA[side])[None] + heading * np.array([6.0, 8.0, 9.0])
    radius = _FIRST_RADIUS * np.array([factor for _, factor in _ROOTS]) * np.exp(rng.normal(0, 0.1, size=len(angle)))
    found: list[tuple[Floats, Floats, Floats, Floats]] = []
    length = _FIRST_LENGTH
    for _ in range(_GENERATIONS):
        heading = _unit(heading + rng.normal(0, 0.10, size=heading.shape))
        end = start + heading * (length * np.exp(rng.normal(0, 0.25, size=len(start))))[:, None]
        thin = radius * 0.86
        kept = _inside(end, thorax, floor) & (radius > _SMALLEST)
        start, end, radius, thin, heading = (part[kept] for part in (start, end, radius, thin, heading))
        found.append((start, end, radius, thin))
        start, radius = np.repeat(end, 2, axis=0), np.repeat(thin, 2) / 0.86 * _THINNER
        radius = radius * np.exp(rng.normal(0, 0.12, size=len(radius)))
        heading = _unit(np.repeat(heading, 2, axis=0) + rng.normal(0, 0.42, size=start.shape) * np.array([1, 0.8, 1]))
        length *= _SHORTER
    branches = tuple(np.concatenate([piece[part] for piece in found]) for part in range(4))
    return branches[0], branches[1], branches[2], branches[3]


def _inside(points: Floats, thorax: Thorax, floor: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    z = points[:, 2]
    wide = (points[:, 0] / np.maximum(thorax.width(z) - 7, 1)) ** 2
    deep = ((points[:, 1] - thorax.centre(z)) / np.maximum(thorax.depth(z) - 7, 1)) ** 2
    inside: np.ndarray[tuple[int], np.dtype[np.bool_]] = (wide + deep < 1) & (z > floor)
    return inside


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.sqrt(np.sum(vectors**2, axis=1, keepdims=True))
    return unit


def _cones(start: Floats, end: Floats, radius: Floats, thin: Floats) -> Solid:
    """Return cones from ``start`` to ``end`` ``(K, 3)``, closed at both ends."""
    along = _unit(end - start)
    first = _unit(
        np.cross(along, np.where(np.abs(along[:, 1:2]) < 0.8, np.array([[0.0, 1, 0]]), np.array([[1.0, 0, 0]])))
    )
    second = np.cross(first, along)
    angle = np.arange(_SIDES) * (2 * np.pi / _SIDES)
    ring = np.cos(angle)[None, :, None] * first[:, None] + np.sin(angle)[None, :, None] * second[:, None]
    rings = [point[:, None] + ring * calibre[:, None, None] for point, calibre in ((start, radius), (end, thin))]
    vertices = np.concatenate([*rings, start[:, None], end[:, None]], axis=1)
    corner, after = np.arange(_SIDES), (np.arange(_SIDES) + 1) % _SIDES
    low, high = 2 * _SIDES, 2 * _SIDES + 1
    faces = np.concatenate(
        [
            np.stack([corner, corner + _SIDES, after + _SIDES], axis=1),
            np.stack([corner, after + _SIDES, after], axis=1),
            np.stack([np.full(_SIDES, low), corner, after], axis=1),
            np.stack([np.full(_SIDES, high), after + _SIDES, corner + _SIDES], axis=1),
        ]
    )
    every = (faces[None] + np.arange(len(start))[:, None, None] * vertices.shape[1]).reshape(-1, 3)
    flat = vertices.reshape(-1, 3)
    return Solid(flat, flat, every)
