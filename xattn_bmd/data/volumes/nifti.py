"""NIfTI files: the grid in patient coordinates, and values a slab at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.volumes.canonical import Frame, frame_of
from xattn_bmd.data.volumes.hounsfield import NOTHING, require_hounsfield, set_floor
from xattn_bmd.errors import VolumeError
from xattn_bmd.types import Volume

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_MM = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 1e-3}
_SCANNER_CODES = (1, 2)
"""Codes of coordinates that belong to the scanner or another image of the patient, not to an atlas."""


@dataclass(frozen=True)
class NiftiGrid:
    """An opened NIfTI file.

    Attributes:
        stored: ``(I, J, K)`` numbers as stored.
        slope: units for each stored number.
        intercept: value at stored 0.
        frame: how the stored axes become slices, rows and columns.
        steps: in words.
    """

    stored: NDArray[Any]
    slope: float
    intercept: float
    frame: Frame
    steps: tuple[str, ...]


def read_nifti_volume(path: Path) -> Volume:
    """Read a CT volume from a NIfTI file.

    Memory: the stored array and one float32 array of the result.

    Args:
        path: a ``.nii`` or ``.nii.gz`` file.

    Raises:
        VolumeError: if nibabel is absent, or the file is damaged, 4-D, without orientation, or not in HU.
    """
    grid = open_nifti(path)
    voxels = np.empty(grid.frame.shape, dtype=np.float32)
    target = grid.frame.as_stored(voxels)
    values = NOTHING
    for number in range(grid.stored.shape[2]):
        plane = grid.stored[:, :, number].astype(np.float32)
        if (grid.slope, grid.intercept) != (1.0, 0.0):
            plane *= np.float32(grid.slope)
            plane += np.float32(grid.intercept)
        values = values.joined(set_floor(plane))
        target[:, :, number] = plane
    units = require_hounsfield(values, name=path.name)
    steps = (*grid.steps, *units, *grid.frame.steps())
    return Volume(voxels=voxels, spacing_mm=grid.frame.spacing_mm, affine=grid.frame.affine, steps=steps)


def open_nifti(path: Path) -> NiftiGrid:
    """Open a NIfTI file and find its grid in patient coordinates.

    The affine is the sform or qform that refers to the scanner; where both do, they must agree.

    Args:
        path: a ``.nii`` or ``.nii.gz`` file.

    Raises:
        VolumeError: if nibabel is absent, or the file is damaged, is not one 3-D array of real numbers, or states no
            orientation.

    Source:
        nifti1.h of the NIfTI-1.1 standard: orientation by qform and sform, units, ``scl_slope``.
    """
    image = _image(path)
    steps = []
    stored, slope, intercept = _stored(image, name=path.name)
    affine, which = _affine(image, name=path.name)
    header: Any = image.header
    unit = str(header.get_xyzt_units()[0])
    affine[:3] *= _MM.get(unit, 1.0)
    steps.append(
        f"read NIfTI: {' x '.join(map(str, stored.shape))} {stored.dtype.name}, orientation from the {which}, "
        f"lengths in {'mm (not stated)' if unit == 'unknown' else unit}"
    )
    if (slope, intercept) != (1.0, 0.0):
        steps.append(f"value = {slope:g} x stored {intercept:+g}")
    shape = (stored.shape[0], stored.shape[1], stored.shape[2])
    return NiftiGrid(
        stored=stored,
        slope=slope,
        intercept=intercept,
        frame=frame_of(_RAS_TO_LPS @ affine, shape, name=path.name),
        steps=tuple(steps),
    )


def _image(path: Path) -> Nifti1Image:
    try:
        from nibabel.loadsave import load
        from nibabel.nifti1 import Nifti1Image
    except ImportError as cause:
        raise VolumeError(
            f"NIfTI files are read with nibabel, but it is not installed, so {path.name} cannot be opened; "
            "install the extra with pip install 'xattn-bmd[nifti]', or give the DICOM series."
        ) from cause
    try:
        image = load(path)
    except Exception as cause:
        # nibabel meets damaged files with many kinds of exception
        raise _damaged(path.name) from cause
    if not isinstance(image, Nifti1Image):
        raise VolumeError(
            f"A .nii file holds NIfTI, but {path.name} holds {type(image).__name__[:32]}; convert it to NIfTI."
        )
    return image


def _damaged(name: str) -> VolumeError:
    return VolumeError(f"A NIfTI file must be complete, but {name} is cut short or damaged; copy it again.")


def _stored(image: Nifti1Image, *, name: str) -> tuple[NDArray[Any], float, float]:
    shape = tuple(int(side) for side in image.shape)
    if len(shape) < 3 or any(side != 1 for side in shape[3:]) or min(shape) < 1:
        raise VolumeError(
            f"A volume has three axes, but {name} is {' x '.join(map(str, shape))}; give one 3-D volume of it."
        )
    try:
        # as stored, for scaling in one piece would need several copies
        proxy: Any = image.dataobj
        stored = np.asanyarray(proxy.get_unscaled()).reshape(shape[:3], order="A")
    except MemoryError:
        raise
    except Exception as cause:
        raise _damaged(name) from cause
    if stored.dtype.kind not in "iuf":
        raise VolumeError(f"Voxels are real numbers, but those of {name} are {stored.dtype}; export it in grey levels.")
    return stored, float(proxy.slope), float(proxy.inter)


def _affine(image: Nifti1Image, *, name: str) -> tuple[NDArray[np.float64], str]:
    header: Any = image.header
    forms = {"sform": header.get_sform(coded=True), "qform": _qform(header, name=name)}
    stated = {which: matrix for which, (matrix, code) in forms.items() if matrix is not None and code > 0}
    scanner = {which: stated[which] for which in stated if forms[which][1] in _SCANNER_CODES}
    if not stated:
        raise VolumeError(
            f"A volume states where left, front and head are, but {name} has neither a qform nor an sform; convert the "
            "scan again with a converter that writes the orientation."
        )
    if len(scanner) == 2:
        _require_agreement(scanner["sform"], scanner["qform"], image.shape[:3], name=name)
    which, matrix = next(iter((scanner or stated).items()))
    return np.array(matrix, dtype=np.float64), which


def _qform(header: Any, *, name: str) -> tuple[Any, int]:  # noqa: ANN401
    try:
        return header.get_qform(coded=True)  # type: ignore[no-any-return]
    except Exception as cause:
        raise VolumeError(
            f"The orientation of a NIfTI file is a rotation, but the qform of {name} is none; convert the scan again."
        ) from cause


def _require_agreement(
    one: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, ...], *, name: str
) -> None:
    corners = np.array([[i, j, k, 1] for i in (0, shape[0] - 1) for j in (0, shape[1] - 1) for k in (0, shape[2] - 1)])
    apart = float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())
    if apart > 0.5 * float(np.linalg.norm(one[:3, :3], axis=0).min()):
        raise VolumeError(
            f"The sform and the qform of a scan say the same, but in {name} they put a corner {apart:.1f} mm apart, so "
            "left and right are uncertain; convert the scan again, or clear the wrong one."
        )
