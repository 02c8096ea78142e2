"""Trabecular bone of the proximal femur: where it is dense, and how its trajectories run.

The pattern is drawn once per bone in the plane of the mean femur (pose of a DXA scan) and carried to each bone and
pose by the correspondence of their vertices. The groups follow Singh: principal compressive (from the calcar to the
top of the head), principal tensile (an arc below the upper neck), Ward's triangle between them. The numbers are
modelling assumptions of this library.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from xattn_bmd.simulate.femur import canonical_coordinates
from xattn_bmd.simulate.mesh import Floats

Image = NDArray[np.float32]
_STEP_MM = 0.5
_LEFT, _TOP = -36.0, 34.0
_SHAPE = (292, 224)


@dataclass(frozen=True)
class _Plan:
    """Fixed maps over the plane of the mean femur, all ``(292, 224)`` at 0.5 mm."""

    compressive: Image
    tensile: Image
    ward: Image
    trochanter: Image
    shaft: Image
    compressive_along: Image
    compressive_across: Image
    tensile_along: Image
    tensile_across: Image


@functools.cache
def _plan() -> _Plan:
    x = _LEFT + _STEP_MM * np.arange(_SHAPE[1])[None, :]
    z = _TOP - _STEP_MM * np.arange(_SHAPE[0])[:, None]
    foot, top = np.array([14.0, -50.0]), np.array([-2.0, 21.0])
    length = float(np.hypot(*(top - foot)))
    along_axis = (top - foot) / length
    along = (x - foot[0]) * along_axis[0] + (z - foot[1]) * along_axis[1]
    across = (x - foot[0]) * along_axis[1] - (z - foot[1]) * along_axis[0]
    width = 4.5 + 6.5 * np.clip(along / length, 0, 1)
    radius = np.hypot(x - 5.0, z + 60.0)
    angle = np.arctan2(z + 60.0, x - 5.0)
    ward = np.exp(-(((x - 22) / 8.0) ** 2 + ((z + 32) / 10.0) ** 2))
    troch = 1 / (1 + np.exp(-(x - 36 + 0.25 * (z + 20)) / 4.0))
    shaft = 1 / (1 + np.exp((z + 72) / 9.0)) + 0 * x
    maps = (
        np.exp(-((across / width) ** 2)) * (1 / (1 + np.exp(-(along + 4) / 4))),
        np.exp(-(((radius - 50.0) / 7.0) ** 2)) * (angle > 0.05),
        ward,
        troch,
        shaft,
        along,
        across / (0.55 + 0.45 * width / 11.0),
        radius * 0 + 50.0 * angle,
        radius,
    )
    return _Plan(*(np.broadcast_to(m, _SHAPE).astype(np.float32) for m in maps))


def trabecular_pattern(rng: np.random.Generator, *, z_score: float) -> Image:
    """Return relative trabecular density over the plane of the mean femur, ``(292, 224)`` at 0.5 mm.

    Args:
        rng: the only source of randomness.
        z_score: density relative to the population, SD; a poor bone loses its tensile group first, keeps and thickens
            the compressive one, and shows a coarser net.

    Example:
        >>> trabecular_pattern(np.random.default_rng(0), z_score=0.0).shape
        (292, 224)
    """
    plan = _plan()
    wealth = float(np.clip(0.75 + 0.22 * z_score + rng.normal(0, 0.14), 0.15, 1.4))
    tensile, compressive = 0.55 * wealth * plan.tensile, (1.0 - 0.12 * wealth) * plan.compressive
    level = 0.72 + 0.70 * compressive + tensile - (0.42 - 0.20 * wealth) * plan.ward
    level = level * np.exp(rng.normal(0, 0.10)) ** plan.trochanter * (1 - 0.30 * plan.trochanter)
    level *= 1 - (0.93 - 0.1 * rng.random()) * plan.shaft
    coarse = float(np.clip(1.15 - 0.15 * z_score, 0.8, 1.6))
    depth = 0.15 * float(np.exp(rng.normal(0, 0.15))) * (1.15 - 0.1 * float(np.clip(z_score, -2, 2)))
    lines = plan.compressive * _streaks(rng, plan.compressive_along, plan.compressive_across, coarse)
    lines += plan.tensile * _streaks(rng, plan.tensile_along, plan.tensile_across, coarse)
    net = gaussian_filter(rng.standard_normal(_SHAPE).astype(np.float32), 1.1 * coarse)
    cloud = gaussian_filter(rng.standard_normal((74, 57)).astype(np.float32), 2.0).repeat(4, 0).repeat(4, 1)
    cloud = gaussian_filter(cloud[: _SHAPE[0], : _SHAPE[1]], 3.0)
    texture = 1 + depth * (0.9 * lines + 0.55 * net / net.std()) + 0.07 * cloud / cloud.std()
    pattern: Image = np.maximum(level * texture, 0.02).astype(np.float32)
    return pattern


def _streaks(rng: np.random.Generator, along: Image, across: Image, coarse: float) -> Image:
    """Return unit noise drawn out along one coordinate, like trabeculae along their trajectory."""
    lattice = rng.standard_normal((40, 230)).astype(np.float32)
    points = np.stack([np.mod(along / 16.0, 38.0), np.mod(across / (0.8 * coarse), 228.0)])
    noise: Image = map_coordinates(lattice, points, order=1, output=np.float32, prefilter=False)
    return noise / 0.67


def carry_pattern(pattern: Image, projected: Floats, mask: NDArray[np.bool_]) -> Image:
    """Return the pattern as it lies in a picture, zero outside the mask.

    A cubic polynomial takes pixels to the plane of the mean femur, fitted on where the vertices went.

    Args:
        pattern: from :func:`trabecular_pattern`.
        projected: ``(N, >=2)`` column and row of each femur vertex in the picture.
        mask: ``(H, W)`` pixels where the pattern is wanted.
    """
    target = canonical_coordinates()
    upper = target[:, 1] > -115
    origin, spread = projected[upper, :2].mean(axis=0), projected[upper, :2].std(axis=0)
    design = _cubic((projected[upper, :2] - origin) / spread)
    normal = np.einsum("ni,nj->ij", design, design) + 1e-9 * np.eye(10)
    weights = np.linalg.solve(normal, np.einsum("ni,nd->id", design, target[upper]))
    rows, columns = np.nonzero(mask)
    place = np.einsum("ni,id->dn", _cubic((np.stack([columns, rows], axis=1) - origin) / spread), weights)
    points = np.stack([(_TOP - place[1]) / _STEP_MM, (place[0] - _LEFT) / _STEP_MM])
    carried = np.zeros(mask.shape, dtype=np.float32)
    carried[mask] = map_coordinates(pattern, points, order=1, mode="nearest", output=np.float32, prefilter=False)
    return carried


def _cubic(points: Floats) -> Floats:
    u, v = np.clip(points[:, 0], -4, 4), np.clip(points[:, 1], -3.5, 3.5)
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v, u**3, u * u * v, u * v * v, v**3], axis=1)
