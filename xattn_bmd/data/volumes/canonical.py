"""The one order in which volumes lie: slices head to feet, rows anterior to posterior, columns right to left.

An array is turned by axis permutation and reversal only, never resampled; the affine says exactly where it lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import VolumeError

_Scalar = TypeVar("_Scalar", bound=np.generic)

_TARGETS = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
"""Directions of slices, rows and columns in patient coordinates (x left, y posterior, z head)."""

_PERPENDICULAR = 2e-3
"""Largest cosine between two axes of a grid whose boxes count as right-angled."""


@dataclass(frozen=True)
class Frame:
    """How the axes of an array as stored become slices, rows and columns.

    Attributes:
        axes: stored axis that becomes the slice, row and column axis.
        reversed: whether each of them runs the other way.
        shape: ``(D, H, W)``.
        spacing_mm: ``(slice, row, column)``.
        affine: ``(4, 4)`` from ``(d, h, w, 1)`` to patient coordinates in mm.
    """

    axes: tuple[int, int, int]
    reversed: tuple[bool, bool, bool]
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine: NDArray[np.float64]

    def as_stored(self, array: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """Return a view of a ``(D, H, W)`` array in the stored order: what is written there lands where it belongs.

        Args:
            array: of shape ``shape``.
        """
        turned = array[tuple(slice(None, None, -1) if back else slice(None) for back in self.reversed)]
        return turned.transpose(np.argsort(self.axes).tolist())

    def steps(self) -> tuple[str, ...]:
        """Return what was turned, in words."""
        turned = [name for name, back in zip(("slices", "rows", "columns"), self.reversed, strict=True) if back]
        words = []
        if self.axes != (0, 1, 2):
            words.append(f"axes reordered: stored axis {', '.join(map(str, self.axes))} taken as slice, row, column")
        if turned:
            words.append(f"{', '.join(turned)} reversed: slices run head to feet, rows to posterior, columns to left")
        angle = oblique_degrees(self.affine)
        if angle >= 0.5:
            words.append(f"the grid is turned {angle:.0f} degrees from the patient's axes (kept; the affine is exact)")
        return tuple(words)


def frame_of(affine: NDArray[np.float64], shape: tuple[int, int, int], *, name: str) -> Frame:
    """Find the order of the axes that is nearest to head-to-feet, anterior-to-posterior, right-to-left.

    Args:
        affine: ``(4, 4)`` from the stored index to patient coordinates in mm (x left, y posterior, z head).
        shape: of the stored array.
        name: what is read, for errors.

    Raises:
        VolumeError: if the axes are not at right angles to each other, or two coincide.

    Example:
        >>> frame = frame_of(np.diag([0.7, 0.7, 3.0, 1.0]), (512, 512, 40), name="ct.nii")
        >>> frame.axes, frame.reversed, frame.shape, frame.spacing_mm
        ((2, 1, 0), (True, False, False), (40, 512, 512), (3.0, 0.7, 0.7))
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or (spacing <= 0).any():
        raise VolumeError(f"Voxels have a size, but an axis of {name} has spacing 0 or none; convert the scan again.")
    cosines = affine[:3, :3] / spacing
    _require_right_angles(cosines, name=name)
    closeness = _TARGETS @ cosines
    axes = max(permutations(range(3)), key=lambda order: sum(abs(closeness[i, axis]) for i, axis in enumerate(order)))
    signs = [1.0 if closeness[i, axis] >= 0 else -1.0 for i, axis in enumerate(axes)]
    turned = np.eye(4)
    turned[:3, :3] = affine[:3, axes] * signs
    ends = [shape[axis] - 1 if sign < 0 else 0 for axis, sign in zip(axes, signs, strict=True)]
    turned[:3, 3] = affine[:3, 3] + affine[:3, axes] @ ends
    return Frame(
        axes=(axes[0], axes[1], axes[2]),
        reversed=(signs[0] < 0, signs[1] < 0, signs[2] < 0),
        shape=(shape[axes[0]], shape[axes[1]], shape[axes[2]]),
        spacing_mm=(float(spacing[axes[0]]), float(spacing[axes[1]]), float(spacing[axes[2]])),
        affine=turned + 0.0,  # no -0.0
    )


def oblique_degrees(affine: NDArray[np.float64]) -> float:
    """Return the largest angle between an axis of a volume and the patient's axis that it stands for, degrees."""
    cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    nearest = np.diag(_TARGETS @ cosines)
    return float(np.degrees(np.arccos(np.clip(nearest.min(), -1, 1))))


def _require_right_angles(cosines: NDArray[np.float64], *, name: str) -> None:
    angles = cosines.T @ cosines - np.eye(3)
    if np.abs(angles).max() > _PERPENDICULAR:
        lean = np.degrees(np.arcsin(min(1.0, float(np.abs(angles).max()))))
        raise VolumeError(
            f"A volume's axes are at right angles, but those of {name} lean by {lean:.1f} degrees (a gantry tilt that "
            "was not corrected); convert the scan again with tilt correction, or give its DICOM series."
        )
