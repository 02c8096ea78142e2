"""How far the surfaces of a found and a drawn region lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import MetricError


class SurfaceDistance(NamedTuple):
    """Distances between two surfaces, mm.

    Attributes:
        assd: average symmetric surface distance.
        hd95: 95 % Hausdorff distance.
    """

    assd: float
    hd95: float


def surface_distance(
    found: NDArray[np.bool_], drawn: NDArray[np.bool_], *, spacing_mm: Sequence[float]
) -> SurfaceDistance:
    """Return the average symmetric surface distance and the 95 % Hausdorff distance of two regions.

    The surface of a region is its voxels with a face on the outside or on the border of the picture.  From each surface
    voxel of either region the distance to the nearest one of the other is taken; ``assd`` is the mean of all of them
    (Heimann et al. 2009), ``hd95`` the larger of the two sides' 95th percentiles (linear interpolation).

    Args:
        found: ``(D, H, W)`` or ``(H, W)`` bool, the voxels that were found to lie inside.
        drawn: of the same shape, the voxels that do.
        spacing_mm: distance between voxel centres along each axis.

    Returns:
        both in mm; NaN where a region is empty.

    Raises:
        MetricError: if the shapes differ, or the spacing is not a positive length for each axis.

    Example:
        >>> drawn = np.zeros((1, 4, 9), dtype=bool)
        >>> drawn[0, :, :3] = True
        >>> found = drawn | (np.arange(9) < 5)
        >>> surface_distance(found, drawn, spacing_mm=(3.0, 1.0, 0.5)).hd95
        1.0
    """
    _check(found, drawn, spacing_mm)
    if not found.any() or not drawn.any():
        return SurfaceDistance(float("nan"), float("nan"))
    box = _box(found | drawn)
    ours, theirs = _surface(found[box]), _surface(drawn[box])
    there, back = _distances(ours, theirs, spacing_mm), _distances(theirs, ours, spacing_mm)
    return SurfaceDistance(
        assd=float(np.concatenate([there, back]).mean()),
        hd95=float(max(np.percentile(there, 95), np.percentile(back, 95))),
    )


def _surface(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_erosion

    return region & ~binary_erosion(region)


def _distances(start: NDArray[np.bool_], goal: NDArray[np.bool_], spacing_mm: Sequence[float]) -> NDArray[np.float64]:
    from scipy.ndimage import distance_transform_edt

    return np.asarray(distance_transform_edt(~goal, sampling=tuple(spacing_mm)), dtype=np.float64)[start]


def _box(region: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box around a region; what lies beyond it changes no distance and no surface."""
    reached = (
        np.flatnonzero(region.any(axis=tuple(other for other in range(region.ndim) if other != axis)))
        for axis in range(region.ndim)
    )
    return tuple(slice(int(places[0]), int(places[-1]) + 1) for places in reached)


def _check(found: NDArray[np.bool_], drawn: NDArray[np.bool_], spacing_mm: Sequence[float]) -> None:
    if found.shape != drawn.shape or found.dtype != bool or drawn.dtype != bool:
        raise MetricError(
            f"Regions are compared voxel by voxel, bool each, but {found.dtype} {found.shape} and {drawn.dtype} "
            f"{drawn.shape} were given; give both on one grid."
        )
    if len(spacing_mm) != found.ndim or not all(np.isfinite(side) and side > 0 for side in spacing_mm):
        raise MetricError(
            f"Each of the {found.ndim} axes has a spacing above 0 mm, but {tuple(spacing_mm)} was given; correct it."
        )
