"""Made-up CT scans: slices and NIfTI files of one patient, whose HU at any point is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

SECRET = "Doe^Jane"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
SERIES = "1.2.826.7.1"
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def body(points):
    """HU of the made-up patient at points ``(..., 3)`` in mm: linear, whole at whole mm, all directions different."""
    return points @ np.array([31.0, -17.0, 11.0]) - 40.0


def expected(volume):
    """HU at every voxel of a volume, by its affine alone."""
    index = np.stack(np.meshgrid(*map(np.arange, volume.voxels.shape), indexing="ij"), axis=-1)
    return body(index @ volume.affine[:3, :3].T + volume.affine[:3, 3])


def slice_dataset(
    number: int,
    *,
    shape=(6, 5),
    spacing=(2.0, 1.0),
    right=(1, 0, 0),
    down=(0, 1, 0),
    step=(0.0, 0.0, 3.0),
    centre=(1.0, 2.0, 0.0),
    signed=False,
    slope=1.0,
    intercept=-1024.0,
) -> Dataset:
    right, down = np.array(right, float), np.array(down, float)
    corner = np.array(centre) + (number - 3) * np.array(step)
    corner -= shape[0] // 2 * spacing[0] * down + shape[1] // 2 * spacing[1] * right
    rows, columns = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    points = corner + rows[..., None] * spacing[0] * down + columns[..., None] * spacing[1] * right
    stored = np.rint((body(points) - intercept) / slope).astype(np.int16 if signed else np.uint16)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CT_IMAGE
    dataset.SOPInstanceUID = f"{SERIES}.{number + 1}"
    dataset.SeriesInstanceUID = SERIES
    dataset.Modality = "CT"
    dataset.PatientName = SECRET
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.InstanceNumber = (number * 3) % 7
    dataset.KVP, dataset.ConvolutionKernel = "120", "Br38f"
    dataset.Rows, dataset.Columns = shape
    dataset.PixelSpacing = list(spacing)
    dataset.ImageOrientationPatient = [*right.tolist(), *down.tolist()]
    dataset.ImagePositionPatient = corner.tolist()
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = int(signed)
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = slope, intercept, "HU"
    dataset.PixelData = stored.tobytes()
    return dataset


def write_series(
    folder: Path,
    *,
    numbers=range(7),
    prefix="s",
    change: Callable[[Dataset, int], Any] | None = None,
    **settings: Any,
) -> Path:
    """Write slices whose names are in no order of position."""
    folder.mkdir(exist_ok=True)
    for number in numbers:
        dataset = slice_dataset(number, **settings)
        if change is not None:
            change(dataset, number)
        dataset.save_as(folder / f"{prefix}{number // 11 * 11 + number * 5 % 11:02d}.dcm", enforce_file_format=True)
    return folder


def grid(axes=(0, 1, 2), signs=(1, 1, 1), shape=(6, 5, 4), spacing=(1.0, 2.0, 3.0)):
    """Affine to patient coordinates (x left, y posterior, z head) of a grid along the patient's axes."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[axis, column] = sign * spacing[column]
    affine[:3, 3] = np.array([1.0, 2.0, 0.0]) - affine[:3, :3] @ (np.array(shape) // 2)
    return affine, shape


def sampled(affine, shape):
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return body(index @ affine[:3, :3].T + affine[:3, 3])


def write_nifti(path: Path, values, affine, *, sform=1, qform=1) -> Path:
    """Write values on a grid given by its affine to patient coordinates as DICOM has them."""
    image = nibabel.Nifti1Image(values, TO_RAS @ affine)
    image.set_sform(TO_RAS @ affine, code=sform)
    image.set_qform(TO_RAS @ affine if qform else None, code=qform)
    image.to_filename(path)
    return path
