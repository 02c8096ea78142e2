"""Write a volume or its labels as a NIfTI file that reads back onto the same voxels."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.atomic import atomic_write
from xattn_bmd.errors import VolumeError
from xattn_bmd.types import LabelMap, Volume

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_COMPRESSION = 2


def write_volume(volume: Volume, path: str | Path) -> None:
    """Write a volume as ``.nii.gz`` in whole HU, in one step; the same voxels give the same bytes.

    Args:
        volume: in HU.
        path: the file, whose name ends in ``.nii.gz``; an existing one is replaced.

    Raises:
        VolumeError: if nibabel is absent, the name ends in another way, or the file cannot be written.

    Example:
        >>> import tempfile
        >>> from xattn_bmd.data.volume import read_volume
        >>> hu = np.full((3, 4, 5), -1000, dtype=np.float32)
        >>> hu[1] = 120.4
        >>> affine = np.array([[0.0, 0, 1, 0], [0, 1, 0, 0], [-3, 0, 0, 6], [0, 0, 0, 1]])
        >>> path = Path(tempfile.mkdtemp()) / "scan.nii.gz"
        >>> write_volume(Volume(hu, (3.0, 1.0, 1.0), affine, ()), path)
        >>> read_volume(path).voxels[1, 0, 0].item()
        120.0
    """
    limits = np.iinfo(np.int16)
    _write(np.clip(np.rint(volume.voxels), limits.min, limits.max).astype(np.int16), volume.affine, Path(path))


def write_labels(labels: LabelMap, path: str | Path) -> None:
    """Write a label map as ``.nii.gz``, for :func:`~xattn_bmd.data.volumes.labels.read_labels`, in one step.

    Args:
        labels: the label map.
        path: the file, whose name ends in ``.nii.gz``; an existing one is replaced.

    Raises:
        VolumeError: as :func:`write_volume`.
    """
    _write(labels.labels, labels.affine, Path(path))


def _write(values: NDArray[np.int16] | NDArray[np.uint16], affine: NDArray[np.float64], path: Path) -> None:
    if not path.name.endswith(".nii.gz"):
        raise VolumeError(f"Volumes are written as .nii.gz files, but {path.name} was asked for; change its name.")
    try:
        import nibabel
    except ImportError as cause:
        raise VolumeError(
            "NIfTI files are written with nibabel, but it is not installed; install the extra with pip install "
            "'xattn-bmd[nifti]'."
        ) from cause
    order = np.eye(4)[[2, 1, 0, 3]]  # the file's axes run along columns, rows, slices
    image = nibabel.Nifti1Image(values.transpose(2, 1, 0), _LPS_TO_RAS @ affine @ order)  # type: ignore[no-untyped-call]
    header: Any = image.header
    header.set_xyzt_units("mm")
    atomic_write(path, gzip.compress(image.to_bytes(), compresslevel=_COMPRESSION, mtime=0), error=VolumeError)
