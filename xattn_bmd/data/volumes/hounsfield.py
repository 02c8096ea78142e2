"""Hounsfield units: values outside the scanner's circle set to air, and files in other units refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import VolumeError

AIR_FLOOR = -1024.0
"""Lowest value of a volume, HU.  Nothing is less dense than vacuum (-1000) but noise; scanners store down to -1024,
and use lower numbers only as marks for what lies outside their circle."""

_HIGHEST = 32767.0


@dataclass(frozen=True)
class ValueRange:
    """What a part of a volume held before air was set to its floor.

    Attributes:
        lowest: smallest value; infinity where nothing was measured.
        highest: largest value.
        voxels: number of voxels.
        floored: how many were padding or below the floor.
        broken: how many were NaN or infinite.
    """

    lowest: float
    highest: float
    voxels: int
    floored: int
    broken: int

    def joined(self, other: ValueRange) -> ValueRange:
        """Return the range of both parts."""
        return ValueRange(
            lowest=min(self.lowest, other.lowest),
            highest=max(self.highest, other.highest),
            voxels=self.voxels + other.voxels,
            floored=self.floored + other.floored,
            broken=self.broken + other.broken,
        )


NOTHING = ValueRange(lowest=np.inf, highest=-np.inf, voxels=0, floored=0, broken=0)


def set_floor(values: NDArray[np.float32], *, padding: NDArray[np.bool_] | None = None) -> ValueRange:
    """Set padding, and whatever lies below -1024, to -1024 in place, and say what was there.

    Args:
        values: one slice, float32.
        padding: which voxels are declared padding; they do not count as measured.

    Example:
        >>> values = np.array([-3024.0, -100.0, 40.0], dtype=np.float32)
        >>> set_floor(values).floored, values.tolist()
        (1, [-1024.0, -100.0, 40.0])
    """
    measured = values if padding is None else values[~padding]
    finite = np.isfinite(measured)
    broken = int(measured.size - np.count_nonzero(finite))
    measured = measured[finite] if broken else measured
    lowest, highest = (float(measured.min()), float(measured.max())) if measured.size else (np.inf, -np.inf)
    below = values < AIR_FLOOR
    if padding is not None:
        below |= padding
    values[below] = AIR_FLOOR
    return ValueRange(lowest, highest, voxels=values.size, floored=int(np.count_nonzero(below)), broken=broken)


def require_hounsfield(found: ValueRange, *, name: str) -> tuple[str, ...]:
    """Refuse values that cannot be the Hounsfield units of a body.

    Args:
        found: the values of the whole volume.
        name: what is read, for errors.

    Returns:
        the steps in words.

    Raises:
        VolumeError: if values are NaN or infinite, have no negative ones (a body has fat and air), none above 0 (it has
            muscle), or lie outside what 16 bits hold.
    """
    if found.broken:
        raise VolumeError(
            f"Every voxel has a value in HU, but {found.broken} of {found.voxels} voxels of {name} are NaN or "
            "infinite; set those outside the field to -1024 and save the file again."
        )
    wrong = _wrong_units(found)
    if wrong:
        raise VolumeError(
            f"A CT volume holds Hounsfield units (air -1000, water 0), but {name} holds values from "
            f"{found.lowest:.4g} to {found.highest:.4g}: wrong units, {wrong}."
        )
    if not found.floored:
        return ()
    return (
        f"{found.floored} of {found.voxels} voxels are padding or below -1024 HU (outside the scanner's circle): "
        "set to -1024",
    )


def _wrong_units(found: ValueRange) -> str:
    low, high = found.lowest, found.highest
    if low >= 0 and high > 500:
        return (
            "which look like stored numbers without the rescale; apply RescaleSlope and RescaleIntercept "
            "(often: subtract 1024), or give the DICOM series"
        )
    if low >= 0 and 5 < high <= 255:
        return "which look like an 8-bit picture; give the scan itself, as the display window cannot be undone"
    if low >= -10 and high <= 10:
        return "which look normalised; give the scan before normalisation, or undo it"
    if low >= 0:
        return "for a body holds fat and air, which are below 0; give the scan before any clipping or masking with 0"
    if high <= 0:
        return "for a body holds muscle and bone, which are above 0; the scan is empty, or was rescaled twice"
    if high > _HIGHEST:
        return f"for no tissue or metal exceeds {_HIGHEST:.0f}; check the rescale of the file"
    return ""
