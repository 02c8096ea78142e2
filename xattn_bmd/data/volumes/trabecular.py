"""The trabecular region of a vertebral body: eroded by millimetres, metal and its surroundings left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import VolumeError
from xattn_bmd.types import Volume

METAL_HU = 2000.0
"""Voxels of at least this are metal: dense cortical bone reads less than about 1,900 HU, titanium 3,000 and more."""

METAL_MARGIN_MM = 5.0
"""Voxels this near to metal are left out: blur and the strongest part of the streaks."""

_OPENING_MM = 6.0
_FAR_MM = 1e6

Mask = NDArray[np.bool_]


def erode(mask: Mask, spacing_mm: tuple[float, float, float], *, margin_mm: float) -> Mask:
    """Return the voxels of a mask whose centres lie more than ``margin_mm`` below its surface.

    The surface is made of the faces of voxels, half a voxel from their centres: with slices of 5 mm and a margin of
    4 mm the first and last slice go, although their centres lie 5 mm from those outside.  What lies outside the array
    counts as outside the mask, so that a body cut by the field is eroded there as well.

    Args:
        mask: ``(D, H, W)``.
        spacing_mm: between voxel centres.
        margin_mm: 0 keeps the mask.

    Raises:
        VolumeError: if the margin is negative.

    Example:
        >>> erode(np.ones((7, 9, 9), bool), (1.0, 1.0, 1.0), margin_mm=2.0).sum(axis=0).astype(int)[4].tolist()
        [0, 0, 3, 3, 3, 3, 3, 0, 0]
    """
    from scipy.ndimage import distance_transform_edt

    if not margin_mm >= 0:
        raise VolumeError(f"A body is eroded by 0 mm or more, but the margin is {margin_mm:g} mm; correct it.")
    thickness, *pixel = spacing_mm
    reach = int(margin_mm / thickness + 0.5)
    within = np.zeros((mask.shape[0] + 2 * reach, *mask.shape[1:]))
    for number, plane in enumerate(mask):
        within[number + reach] = distance_transform_edt(np.pad(plane, 1), sampling=pixel)[1:-1, 1:-1]
    within -= min(pixel) / 2
    eroded = mask.copy()
    for step in range(-reach, reach + 1):
        apart = max(abs(step) - 0.5, 0.0) * thickness
        if apart <= margin_mm:
            other = within[reach + step : reach + step + mask.shape[0]]
            eroded &= other > np.sqrt(margin_mm**2 - apart**2)
    return eroded


def trabecular_region(volume: Volume, body: Mask, *, margin_mm: float = 4.0) -> Mask:
    """Return the trabecular region of one vertebra: eroded, opened, its largest piece, without metal.

    Opening by 6 mm within the slices and the largest piece drop what erosion leaves of pedicles and arch, where the
    mask covers the whole vertebra; what cannot be opened is left as eroded.

    Args:
        volume: HU.
        body: ``(D, H, W)`` mask of the vertebral body or of the whole vertebra.
        margin_mm: how far the region keeps from the surface: cortex, endplates and their blur.

    Returns:
        ``(D, H, W)`` mask; empty where nothing is left.

    Raises:
        VolumeError: if the mask lies on another grid, or the margin is negative.

    Example:
        >>> volume = Volume(np.full((9, 9, 9), 100.0, dtype=np.float32), (2.0, 2.0, 2.0), np.eye(4), ())
        >>> int(trabecular_region(volume, np.ones((9, 9, 9), bool), margin_mm=4.0).sum())
        125
    """
    if body.shape != volume.voxels.shape:
        raise VolumeError(
            f"A mask lies on the voxels of its volume, but it has {body.shape} and the volume {volume.voxels.shape}; "
            "give the mask of this scan."
        )
    region = np.zeros(body.shape, dtype=np.bool_)
    box = _box(body, volume.spacing_mm)
    if box is None:
        return region
    inner = _largest_piece(_opened(erode(body[box], volume.spacing_mm, margin_mm=margin_mm), volume.spacing_mm))
    region[box] = inner & ~_near_metal(volume.voxels[box], volume.spacing_mm)
    return region


def _box(body: Mask, spacing_mm: tuple[float, float, float]) -> tuple[slice, slice, slice] | None:
    """Return the box around a mask, wide enough that metal beside it is seen."""
    box = []
    for axis, side in enumerate(spacing_mm):
        others = tuple(other for other in range(3) if other != axis)
        filled = np.flatnonzero(body.any(axis=others))
        if not len(filled):
            return None
        wider = int(np.ceil(METAL_MARGIN_MM / side))
        box.append(slice(max(int(filled[0]) - wider, 0), int(filled[-1]) + 1 + wider))
    return box[0], box[1], box[2]


def _opened(mask: Mask, spacing_mm: tuple[float, float, float]) -> Mask:
    """Return a mask without what is, within its slice, thinner than twice the opening."""
    from scipy.ndimage import distance_transform_edt

    apart = (_FAR_MM, *spacing_mm[1:])
    core = erode(mask, apart, margin_mm=_OPENING_MM)
    if not core.any():
        return mask
    opened: Mask = mask & (distance_transform_edt(~core, sampling=apart) <= _OPENING_MM + min(spacing_mm[1:]) / 2)
    return opened


def _largest_piece(mask: Mask) -> Mask:
    from scipy.ndimage import label

    pieces, count = label(mask)
    if count < 2:
        return mask
    largest: Mask = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return largest


def _near_metal(hu: NDArray[np.float32] | NDArray[np.int16], spacing_mm: tuple[float, float, float]) -> Mask:
    from scipy.ndimage import distance_transform_edt

    metal = hu >= METAL_HU
    if not metal.any():
        return np.zeros(hu.shape, dtype=np.bool_)
    near: Mask = distance_transform_edt(~metal, sampling=spacing_mm) <= METAL_MARGIN_MM
    return near
