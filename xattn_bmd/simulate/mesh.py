"""Closed triangle meshes and their thickness along X-rays.

Axes: ``N`` vertices, ``F`` faces. World coordinates in mm: x towards the patient's left, y posterior, z up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_SMALLEST_AREA_PX = 1e-7
_SHORTEST = 1e-3


@dataclass(frozen=True)
class Mesh:
    """A bone surface with the thickness of its cortex.

    Attributes:
        vertices: ``(N, 3)`` mm.
        faces: ``(F, 3)`` vertex indices, outward winding.
        cortex: ``(N,)`` cortical thickness, mm.
    """

    vertices: Floats
    faces: NDArray[np.int64]
    cortex: Floats

    def endosteal(self, factor: float | Floats = 1.0) -> Floats:
        """Return the vertices ``(N, 3)`` of the inner cortical surface, the thickness multiplied by ``factor``."""
        return self.vertices - (self.cortex * factor)[:, None] * vertex_normals(self.vertices, self.faces)


def vertex_normals(vertices: Floats, faces: NDArray[np.int64]) -> Floats:
    """Return area-weighted outward unit normals, ``(N, 3)``.

    Example:
        >>> corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
        >>> normals = vertex_normals(corners, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))
        >>> bool(np.allclose(normals[0], -1 / np.sqrt(3)))
        True
    """
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    cross = np.cross(b - a, c - a)
    flat = faces.T.ravel()
    sums = [np.bincount(flat, weights=np.tile(cross[:, axis], 3), minlength=len(vertices)) for axis in range(3)]
    normals = np.stack(sums, axis=1)
    unit: Floats = normals / np.maximum(np.sqrt(np.sum(normals**2, axis=1, keepdims=True)), 1e-12)
    return unit


def ray_thickness(projected: Floats, faces: NDArray[np.int64], *, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the length that the ray of each pixel runs inside a closed mesh.

    Every face adds its signed depth to the pixels that it covers. Each of its edges switches the face's depth plane
    on or off for the rest of a pixel row, so two cumulative sums over the image replace any loop over triangles, and
    the result is exact at the pixel centres.

    Args:
        projected: ``(N, 3)`` column (pixels), row (pixels) and depth (mm) of each vertex.
        faces: ``(F, 3)`` vertex indices.
        shape: rows and columns of the image.

    Returns:
        ``(H, W)`` thickness, in the unit of the depth, never negative.

    Example:
        >>> box = np.array([[u, v, w] for u in (1.5, 5.5) for v in (1.5, 5.5) for w in (0.0, 7.0)])
        >>> sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        >>> faces = np.array([t for a, b, c, d in sides for t in ((a, b, c), (a, c, d))])
        >>> float(ray_thickness(box, faces, shape=(8, 8))[3, 3])
        7.0
    """
    height, width = shape
    corners = projected[faces]
    origin, slope_u, slope_v, usable = _planes(corners)
    start, end = corners[usable], np.roll(corners[usable], -1, axis=1)
    downward = start[:, :, 1] <= end[:, :, 1]
    sign = np.where(downward, 1.0, -1.0).ravel()
    upper = np.where(downward[..., None], start, end).reshape(-1, 3)
    lower = np.where(downward[..., None], end, start).reshape(-1, 3)
    first = np.clip(np.ceil(upper[:, 1]), 0, height).astype(np.int64)
    last = np.clip(np.ceil(lower[:, 1]), 0, height).astype(np.int64)
    count = last - first
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    run = (lower[:, 0] - upper[:, 0]) / np.where(count > 0, lower[:, 1] - upper[:, 1], 1.0)
    column = upper[edge, 0] + (row - upper[edge, 1]) * run[edge]
    cell = row * (width + 1) + np.clip(np.ceil(column), 0, width).astype(np.int64)
    face = edge // 3
    level = sign[edge] * (origin[face] + slope_v[face] * row)
    tilt = sign[edge] * slope_u[face]
    size = height * (width + 1)
    levels = np.bincount(cell, weights=level, minlength=size).reshape(height, width + 1).cumsum(axis=1)[:, :width]
    tilts = np.bincount(cell, weights=tilt, minlength=size).reshape(height, width + 1).cumsum(axis=1)[:, :width]
    signed = levels + tilts * np.arange(width)
    length = signed if signed.sum() > 0 else -signed
    return np.where(length > _SHORTEST, length, 0.0).astype(np.float32)


def _planes(corners: Floats) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    first, second = b - a, c - a
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    usable = np.abs(area) > _SMALLEST_AREA_PX
    a, first, second, area = a[usable], first[usable], second[usable], area[usable]
    slope_u = (first[:, 2] * second[:, 1] - first[:, 1] * second[:, 2]) / area
    slope_v = (first[:, 0] * second[:, 2] - first[:, 2] * second[:, 0]) / area
    return a[:, 2] - slope_u * a[:, 0] - slope_v * a[:, 1], slope_u, slope_v, usable
