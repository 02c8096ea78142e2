"""Read one CT volume from a DICOM series or a NIfTI file, in Hounsfield units and always in the same order."""

from __future__ import annotations

from pathlib import Path

from xattn_bmd.errors import VolumeError
from xattn_bmd.types import Volume

_NIFTI = (".nii", ".nii.gz")


def read_volume(path: str | Path, *, series: str | None = None) -> Volume:
    """Read one CT volume, slices from head to feet, rows to posterior, columns to the patient's left.

    A DICOM series is sorted by the slices' positions along their normal; file names and instance numbers count for
    nothing.  A tilted gantry is put straight (linear interpolation within the slices; written among the steps), and
    padding becomes air (-1024 HU).  Axes are reordered and reversed, never resampled.

    Args:
        path: a folder with the DICOM files of a CT series directly in it, one file of the series, or a NIfTI file
            (``.nii``, ``.nii.gz``; needs the extra ``ct``).
        series: SeriesInstanceUID, where a folder holds several CT series; an error lists them.

    Returns:
        voxels ``(D, H, W)`` float32 in HU, spacing in mm, the affine to patient coordinates, and the steps in words.

    Raises:
        VolumeError: if the path is missing; if slices are missing, uneven, doubled, of different size or orientation,
            without position or rescale, or of several series; if it is not CT, not in Hounsfield units, 4-D,
            multi-frame, cut short, compressed in a way that needs another package, or without orientation.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import nibabel
        >>> path = Path(tempfile.mkdtemp()) / "ct.nii.gz"
        >>> hu = np.full((4, 5, 6), -1000, dtype=np.int16)
        >>> hu[1:3] = 300  # x from right to left in the file: columns
        >>> nibabel.Nifti1Image(hu, np.diag([-0.75, -0.75, 2.5, 1.0])).to_filename(path)
        >>> volume = read_volume(path)
        >>> volume.voxels.shape, volume.spacing_mm, volume.orientation
        ((6, 5, 4), (2.5, 0.75, 0.75), ('I', 'P', 'L'))
        >>> volume.voxels[0, 0].tolist()
        [-1000.0, 300.0, 300.0, -1000.0]
    """
    path = Path(path)
    if not path.exists():
        raise VolumeError(f"A CT volume is a folder or a file, but {path.name} does not exist; correct the path.")
    if path.name.lower().endswith(_NIFTI):
        if series is not None:
            raise VolumeError(
                f"The argument series chooses among DICOM series, but {path.name} is a NIfTI file; leave it out."
            )
        # imported here: nibabel is an extra
        from xattn_bmd.data.volumes.nifti import read_nifti_volume

        return read_nifti_volume(path)
    from xattn_bmd.data.volumes.dicom import read_dicom_volume

    return read_dicom_volume(path, series=series)
