"""Bones and vessels as tubes lofted along a centre line, each with a hollow of its own for the marrow.

World coordinates in mm: x towards the patient's left, y anterior (towards the detector), z up; the origin lies in the
middle of the chest.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xattn_bmd.simulate.mesh import Floats, ray_thickness
from xattn_bmd.simulate.projection import Beam

Image = NDArray[np.float32]
_SMALLEST = 0.02


class Placed(Protocol):
    """What turns and shifts points of the patient as the patient stands."""

    def place(self, points: Floats) -> Floats:
        """Return points ``(N, 3)`` as they stand before the detector."""


@dataclass(frozen=True)
class Solid:
    """Closed surfaces of one or more tubes.

    Attributes:
        outer: ``(N, 3)`` vertices of the outer surfaces.
        inner: ``(N, 3)`` vertices of the hollows.
        faces: ``(F, 3)`` vertex indices, the same for both.
    """

    outer: Floats
    inner: Floats
    faces: NDArray[np.int64]

    def path(self, pose: Placed, beam: Beam) -> Image:
        """Return the path of every ray through the solid, hollows included, ``(H, W)`` mm."""
        return ray_thickness(beam.project(pose.place(self.outer)), self.faces, shape=(beam.size, beam.size))

    def thickness(self, pose: Placed, beam: Beam) -> tuple[Image, Image]:
        """Return the path of every ray through the solid and through its hollows, ``(H, W)`` mm each."""
        shape = (beam.size, beam.size)
        outer = self.path(pose, beam)
        inner = ray_thickness(beam.project(pose.place(self.inner)), self.faces, shape=shape)
        return outer, np.minimum(inner, outer)


def tube(
    path: ArrayLike,
    *,
    across: ArrayLike,
    deep: ArrayLike,
    cortex: ArrayLike,
    up: tuple[float, float, float],
    sides: int,
) -> Solid:
    """Return an elliptic tube along a centre line.

    Args:
        path: ``(P, 3)`` points of the centre line, mm.
        across: ``(P,)`` or scalar semi-axis along ``up`` (made perpendicular to the line), mm.
        deep: ``(P,)`` or scalar semi-axis perpendicular to both, mm.
        cortex: ``(P,)`` or scalar thickness of the wall, mm.
        up: direction of the first semi-axis; not along the line.
        sides: corners of each cross-section.

    Example:
        >>> one = tube([[0, 0, 0], [10, 0, 0], [20, 0, 0]], across=3, deep=2, cortex=1, up=(0, 0, 1), sides=8)
        >>> one.outer.shape, one.faces.shape
        ((26, 3), (48, 3))
    """
    line = np.asarray(path, dtype=np.float64)
    along = _unit(np.gradient(line, axis=0))
    first = _unit(np.asarray(up, dtype=np.float64) - np.sum(along * up, axis=1, keepdims=True) * along)
    second = np.cross(first, along)
    wall = np.broadcast_to(np.asarray(cortex, dtype=np.float64), (len(line),))
    hollow = line.copy()
    hollow[0] += along[0] * wall[0]
    hollow[-1] -= along[-1] * wall[-1]
    angle = np.arange(sides) * (2 * np.pi / sides)
    ring = np.cos(angle)[None, :, None] * first[:, None], np.sin(angle)[None, :, None] * second[:, None]
    outer = _rings(line, ring, across=np.asarray(across) + 0 * wall, deep=np.asarray(deep) + 0 * wall)
    inner = _rings(
        hollow,
        ring,
        across=np.maximum(np.asarray(across) - wall, _SMALLEST),
        deep=np.maximum(np.asarray(deep) - wall, _SMALLEST),
    )
    return Solid(outer, inner, rings_faces(len(line), sides))


def merge(solids: Sequence[Solid]) -> Solid:
    """Return several solids as one; where they overlap their paths add up."""
    starts = np.cumsum([0, *(len(solid.outer) for solid in solids)])
    return Solid(
        np.concatenate([solid.outer for solid in solids]),
        np.concatenate([solid.inner for solid in solids]),
        np.concatenate([solid.faces + start for solid, start in zip(solids, starts, strict=False)]),
    )


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.maximum(np.sqrt(np.sum(vectors**2, axis=-1, keepdims=True)), 1e-9)
    return unit


def _rings(line: Floats, ring: tuple[Floats, Floats], *, across: Floats, deep: Floats) -> Floats:
    points = line[:, None] + across[:, None, None] * ring[0] + deep[:, None, None] * ring[1]
    return np.concatenate([points.reshape(-1, 3), line[:1], line[-1:]])


@functools.cache
def rings_faces(rings: int, sides: int) -> NDArray[np.int64]:
    """Return the triangles ``(F, 3)`` of rings of points laid out one after the other, then the points of both ends."""
    here = np.arange(rings - 1)[:, None] * sides + np.arange(sides)[None]
    beside = np.arange(rings - 1)[:, None] * sides + (np.arange(sides)[None] + 1) % sides
    wall = [(here, here + sides, beside + sides), (here, beside + sides, beside)]
    corner = np.arange(sides)
    last, end = (rings - 1) * sides, rings * sides
    caps = [
        (np.full(sides, end), corner, (corner + 1) % sides),
        (np.full(sides, end + 1), last + (corner + 1) % sides, last + corner),
    ]
    groups = [np.stack([index.ravel() for index in group], axis=1) for group in (*wall, *caps)]
    return np.concatenate(groups).astype(np.int64)
