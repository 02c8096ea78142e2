"""Segmentation label maps, laid on the voxels of their volume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.volumes.canonical import Frame
from xattn_bmd.data.volumes.nifti import open_nifti
from xattn_bmd.errors import VolumeError
from xattn_bmd.types import LabelMap, Volume

_HIGHEST = 65535
_NEAR = 0.1
"""Largest distance between a corner of the labels and of the volume, as a share of the smallest voxel side."""


def read_labels(path: str | Path, *, like: Volume, names: Mapping[str, int] | None = None) -> LabelMap:
    """Read a label map from a NIfTI file, in the order of its volume.

    Args:
        path: a ``.nii`` or ``.nii.gz`` file of whole numbers, 0 for background.
        like: the volume that the labels belong to.
        names: label of each structure; then every label of the file must be named.

    Returns:
        labels ``(D, H, W)`` uint16 on the voxels of the volume.

    Raises:
        VolumeError: if the file is no NIfTI, holds anything but whole numbers from 0 to 65535, lies on another grid
            than the volume, or holds labels that ``names`` lacks.

    Example:
        >>> import tempfile
        >>> import nibabel
        >>> path = Path(tempfile.mkdtemp()) / "labels.nii.gz"
        >>> voxels = np.zeros((3, 2, 2), dtype=np.float32)
        >>> volume = Volume(voxels, spacing_mm=(3.0, 1.0, 1.0), affine=np.array(
        ...     [[0.0, 0, 1, 0], [0, 1, 0, 0], [-3, 0, 0, 6], [0, 0, 0, 1]]), steps=())
        >>> stored = np.zeros((2, 2, 3), dtype=np.uint8)
        >>> stored[..., 2] = 1  # the top slice of a file that runs from feet to head
        >>> nibabel.Nifti1Image(stored, np.diag([-1.0, -1.0, 3.0, 1.0])).to_filename(path)
        >>> read_labels(path, like=volume, names={"L1": 1}).labels[:, 0, 0].tolist()
        [1, 0, 0]
    """
    path = Path(path)
    if not path.name.lower().endswith((".nii", ".nii.gz")) or not path.is_file():
        raise VolumeError(
            f"Labels are read from a NIfTI file (.nii, .nii.gz), but {path.name} is none or does not exist; convert "
            "the segmentation to NIfTI on the grid of its scan."
        )
    grid = open_nifti(path)
    _require_same_grid(grid.frame, like, name=path.name)
    labels = np.empty(grid.frame.shape, dtype=np.uint16)
    target = grid.frame.as_stored(labels)
    for number in range(grid.stored.shape[2]):
        plane = grid.stored[:, :, number]
        if (grid.slope, grid.intercept) != (1.0, 0.0):
            plane = plane * grid.slope + grid.intercept
        target[:, :, number] = _whole(plane, name=path.name)
    named = dict(names or {})
    if named:
        _require_names(labels, named, name=path.name)
    return LabelMap(
        labels=labels,
        names=named,
        spacing_mm=like.spacing_mm,
        affine=like.affine,
        steps=(*grid.steps, *grid.frame.steps()),
    )


def _require_same_grid(frame: Frame, like: Volume, *, name: str) -> None:
    if frame.shape != like.voxels.shape:
        raise VolumeError(
            f"Labels lie on the voxels of their volume, but {name} has {_size(frame.shape)} and the volume "
            f"{_size(like.voxels.shape)} (slices, rows, columns); give the labels of this scan, not resampled."
        )
    last = [side - 1 for side in frame.shape]
    corners = np.array([[d, h, w, 1] for d in (0, last[0]) for h in (0, last[1]) for w in (0, last[2])])
    apart = float(np.linalg.norm((corners @ (frame.affine - like.affine).T)[:, :3], axis=1).max())
    if apart > _NEAR * min(like.spacing_mm):
        raise VolumeError(
            f"Labels lie where their volume lies, but a corner of {name} is {apart:.2f} mm away from that of the "
            f"volume; give the labels of this scan, or resample them to its grid."
        )


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _whole(plane: NDArray[Any], *, name: str) -> NDArray[np.uint16]:
    rounded = np.rint(plane)
    if not np.isfinite(rounded).all() or (rounded != plane).any() or plane.min() < 0 or plane.max() > _HIGHEST:
        raise VolumeError(
            f"Labels are whole numbers from 0 to {_HIGHEST}, but {name} holds values from {plane.min():.4g} to "
            f"{plane.max():.4g}, not all whole; give the label map, not the scan or a probability map."
        )
    return np.asarray(rounded, dtype=np.uint16)


def _require_names(labels: NDArray[np.uint16], names: Mapping[str, int], *, name: str) -> None:
    counts = np.bincount(labels.ravel(), minlength=1)
    unnamed = sorted(set(np.flatnonzero(counts).tolist()) - {0, *names.values()})
    if unnamed:
        raise VolumeError(
            f"With names given, every label has one, but {name} also holds {', '.join(map(str, unnamed[:20]))}; "
            "name them too, or leave the names out."
        )
