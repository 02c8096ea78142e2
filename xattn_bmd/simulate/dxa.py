"""The simulated DXA scan: the femoral-neck box, and mineral scaled until the scan reads the person's density."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.femur import Femur
from xattn_bmd.simulate.mesh import Floats, ray_thickness
from xattn_bmd.simulate.trabeculae import Image, carry_pattern

CORTICAL_MINERAL = 1.05
"""Mineral of compact cortical bone, g/cm³ (ash density)."""

BOX_LENGTH_MM = 15.0
_SHAPE_MM = (150, 125)
_ORIGIN = (40.0, 38.0)
_HALF_WIDTH_MM = 36.0
_FACTOR_RANGE = (0.3, 2.4)


@dataclass(frozen=True)
class NeckBox:
    """Where the density of the neck is read, in the pose of a DXA scan.

    Attributes:
        distance: from the head centre to the box centre along the neck axis, mm.
        above: extent of the neck on the upper side of the axis, mm.
        below: extent of the neck on the lower side of the axis, mm.
    """

    distance: float
    above: float
    below: float


@dataclass(frozen=True)
class Mineral:
    """How much mineral a femur holds and how it is shared out.

    Attributes:
        cortical_factor: ``(N,)`` factor on the typical cortical thickness at each vertex.
        trabecular: mineral of trabecular bone where the pattern is 1, g/cm³.
        pattern: relative trabecular density over the plane of the mean femur.
        cortical_share: share of the neck's mineral that is cortical.
        neck_bmd: mean areal density in the neck box, g/cm².
        box: the neck box.
    """

    cortical_factor: Floats
    trabecular: float
    pattern: Image
    cortical_share: float
    neck_bmd: float
    box: NeckBox


def mineralise(femur: Femur, *, bmd: float, cortical_share: float, shaft_factor: float, pattern: Image) -> Mineral:
    """Fill a femur with mineral until its simulated DXA scan reads ``bmd`` in the neck box.

    The cortex is thickened or thinned until it holds its share; the trabecular bone makes up the rest.

    Args:
        femur: the bone.
        bmd: areal density wanted, g/cm².
        cortical_share: share of it wanted in the cortex, 0 to 1.
        shaft_factor: further factor on the cortex of the shaft, so that shaft and neck differ between people.
        pattern: from :func:`~xattn_bmd.simulate.trabeculae.trabecular_pattern`.

    Raises:
        SimulationError: where no positive amount of mineral gives that density.
    """
    if not (np.isfinite(bmd) and bmd > 0):
        raise SimulationError(
            f"A femur needs a positive density, but the subject has {bmd} g/cm²; correct the subject."
        )
    flat = _flat(femur.mesh.vertices)
    outer = ray_thickness(flat, femur.mesh.faces, shape=_SHAPE_MM)
    box = find_neck_box(outer > 0, femur)
    points = _box_points(outer, femur, box)
    whole = _mean_at(outer, points)
    shaft = 1 / (1 + np.exp((femur.mesh.vertices[:, 2] / femur.head_radius + 3.2) / 0.35))
    profile = shaft_factor**shaft

    def cortical(factor: float) -> tuple[float, Image]:
        inner = np.minimum(
            ray_thickness(_flat(femur.mesh.endosteal(factor * profile)), femur.mesh.faces, shape=_SHAPE_MM), outer
        )
        return whole - _mean_at(inner, points), inner

    low, high = cortical(0.7)[0], cortical(1.4)[0]
    curve = (high / 1.4 - low / 0.7) / 0.7
    slope = low / 0.7 - 0.7 * curve
    wanted = 10 * bmd * cortical_share / CORTICAL_MINERAL
    factor = float(np.clip(_smaller_root(curve, slope, wanted), *_FACTOR_RANGE))
    compact_mm, inner = cortical(factor)
    compact = CORTICAL_MINERAL * compact_mm / 10
    spongy = _mean_at(inner * carry_pattern(pattern, flat, inner > 0), points) / 10
    rest = bmd - compact
    if rest <= 0 or spongy <= 0:
        raise SimulationError(
            f"The cortex may hold at most the whole density of {bmd:.3f} g/cm², but the thinnest one holds "
            f"{compact:.3f}; the density is too low for a femur of this size."
        )
    return Mineral(factor * profile, rest / spongy, pattern, compact / bmd, compact + rest, box)


def find_neck_box(silhouette: NDArray[np.bool_], femur: Femur) -> NeckBox:
    """Place the box at the narrowest part of the neck beside the head, as DXA software does.

    Args:
        silhouette: ``(150, 125)`` the femur in the pose of a DXA scan, 1 mm pixels.
        femur: gives head centre, radius and neck axis.
    """
    distances = femur.head_radius + np.arange(0.4 * BOX_LENGTH_MM, 0.9 * femur.head_radius, 1.0)
    offsets = np.arange(-_HALF_WIDTH_MM, _HALF_WIDTH_MM + 0.5, 0.5)
    points = _points(femur, distances[:, None], offsets[None, :])
    bone = map_coordinates(silhouette.astype(np.float32), points, order=1, prefilter=False) > 0.5
    middle = len(offsets) // 2
    above = np.cumprod(bone[:, middle:], axis=1).sum(axis=1) * 0.5
    below = np.cumprod(bone[:, middle::-1], axis=1).sum(axis=1) * 0.5
    narrowest = int(np.argmin(above + below))
    return NeckBox(float(distances[narrowest]), float(above[narrowest]), float(below[narrowest]))


def _flat(vertices: Floats) -> Floats:
    """Return the parallel projection of a scan: 1 mm pixels, row downwards."""
    return np.stack([vertices[:, 0] + _ORIGIN[0], _ORIGIN[1] - vertices[:, 2], vertices[:, 1]], axis=1)


def _points(femur: Femur, distance: Floats, offset: Floats) -> Floats:
    """Return rows and columns of points given along the neck axis and across it (upwards), mm."""
    axis_x, axis_z = femur.neck_axis[0], femur.neck_axis[2]
    x = distance * axis_x - offset * axis_z
    z = distance * axis_z + offset * axis_x
    return np.stack(np.broadcast_arrays(_ORIGIN[1] - z, _ORIGIN[0] + x))


def _box_points(outer: Image, femur: Femur, box: NeckBox) -> Floats:
    """Return rows and columns of sample points, half a mm apart, on the bone inside the box, ``(2, K)``."""
    along = box.distance + np.arange(-BOX_LENGTH_MM / 2 + 0.25, BOX_LENGTH_MM / 2, 0.5)
    across = np.arange(-box.below + 0.25, box.above, 0.5)
    points = _points(femur, along[:, None], across[None, :]).reshape(2, -1)
    return points[:, map_coordinates(outer, points, order=1, prefilter=False) > 0]


def _mean_at(image: Image, points: Floats) -> float:
    return float(map_coordinates(image.astype(np.float64), points, order=1, prefilter=False).mean())


def _smaller_root(curve: float, slope: float, wanted: float) -> float:
    """Return the factor f with curve*f² + slope*f = wanted, on the rising branch."""
    inside = slope**2 + 4 * curve * wanted
    if inside <= 0:
        return _FACTOR_RANGE[1]
    return float(2 * wanted / (slope + np.sqrt(inside)))
