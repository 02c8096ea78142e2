"""Cut a box out of a volume; it keeps its place in the patient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xattn_bmd.errors import VolumeError
from xattn_bmd.types import Volume

Index = tuple[int, int, int]


def crop(volume: Volume, *, start: Index, stop: Index) -> Volume:
    """Return the voxels from ``start`` up to but not including ``stop``.

    Nothing is copied: the voxels are a view of the volume's, also of a memory map.

    Args:
        volume: the volume.
        start: first slice, row and column.
        stop: slice, row and column after the last.

    Raises:
        VolumeError: if the box is empty or reaches outside the volume.

    Example:
        >>> volume = Volume(np.zeros((4, 5, 6), dtype=np.float32), (3.0, 1.0, 1.0), np.diag([3.0, 1, 1, 1]), ())
        >>> box = crop(volume, start=(1, 2, 0), stop=(3, 5, 6))
        >>> box.voxels.shape, box.affine[:3, 3].tolist()
        ((2, 3, 6), [3.0, 2.0, 0.0])
    """
    shape = volume.voxels.shape
    if not all(0 <= first < last <= side for first, last, side in zip(start, stop, shape, strict=True)):
        raise VolumeError(
            f"A box lies within its volume and is not empty, but {start} to {stop} does not fit (slices, rows, "
            f"columns) = {shape}; correct start or stop."
        )
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array(start, dtype=np.float64)
    box = tuple(slice(first, last) for first, last in zip(start, stop, strict=True))
    return replace(
        volume, voxels=volume.voxels[box], affine=affine, steps=(*volume.steps, f"cropped from {start} to {stop}")
    )
