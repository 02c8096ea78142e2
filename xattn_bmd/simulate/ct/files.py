"""The files of a simulated volume: NIfTI or a DICOM series, and its truth."""

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.ct.grid import Grid
from xattn_bmd.simulate.ct.person import Scan
from xattn_bmd.simulate.dicom import made_up_uid

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_RLE_LOSSLESS = "1.2.840.10008.1.2.5"
_COMPRESSION = 2


def require_nibabel() -> None:
    """Refuse to begin where NIfTI files cannot be written.

    Raises:
        SimulationError: without nibabel.
    """
    try:
        import nibabel  # noqa: F401
    except ImportError as cause:
        raise SimulationError(
            "Simulated CT volumes and their truth are NIfTI files, but nibabel is not installed; install the extra "
            "with pip install 'xattn-bmd[nifti]'."
        ) from cause


def nifti_bytes(values: NDArray[np.int16] | NDArray[np.uint8], grid: Grid) -> bytes:
    """Return a ``.nii.gz`` file of ``(D, H, W)`` values; the same bytes for the same input.

    Args:
        values: HU or labels.
        grid: where they lie.
    """
    import nibabel

    order = np.eye(4)[[2, 1, 0, 3]]  # the file's axes run along columns, rows, slices
    affine = _LPS_TO_RAS @ grid.affine @ order
    image = nibabel.Nifti1Image(values.transpose(2, 1, 0), affine)  # type: ignore[no-untyped-call]
    header: Any = image.header
    header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), compresslevel=_COMPRESSION, mtime=0)


def facts_bytes(facts: dict[str, object]) -> bytes:
    """Return what is known of a scan as JSON."""
    return (json.dumps(facts, indent=1) + "\n").encode()


def series_bytes(voxels: NDArray[np.int16], grid: Grid, scan: Scan, *, kvp: int) -> tuple[bytes, ...]:
    """Return a CT series, one file for each slice, head to feet: RLE lossless, every identifier made up, no date.

    Args:
        voxels: ``(D, H, W)`` HU.
        grid: where they lie.
        scan: the person.
        kvp: tube voltage.
    """
    return tuple(_slice_bytes(plane, number, grid, scan, kvp=kvp) for number, plane in enumerate(voxels))


def _slice_bytes(plane: NDArray[np.int16], number: int, grid: Grid, scan: Scan, *, kvp: int) -> bytes:
    import pydicom

    data = _dataset(number, scan)
    data.KVP, data.SliceThickness = str(kvp), f"{grid.spacing_mm[0]:g}"
    data.PixelSpacing = [f"{grid.spacing_mm[1]:.6f}", f"{grid.spacing_mm[2]:.6f}"]
    data.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    data.ImagePositionPatient = [f"{value:.6f}" for value in (*grid.first_mm[:0:-1], float(grid.z[number]))]
    data.Rows, data.Columns = plane.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 1
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = "1", "0", "HU"
    data.WindowCenter, data.WindowWidth = "300", "1500"
    data.PixelData = plane.astype("<i2").tobytes()
    data.compress(_RLE_LOSSLESS, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data, enforce_file_format=True)
    return stream.getvalue()


def _dataset(number: int, scan: Scan) -> FileDataset:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID

    own = (scan.letter, scan.seed, scan.index)
    instance = UID(made_up_uid("instance", *own, number))
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(_CT_IMAGE), instance
    meta.TransferSyntaxUID = UID(_EXPLICIT_LITTLE_ENDIAN)
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = _CT_IMAGE, instance
    data.StudyInstanceUID = made_up_uid("study", scan.letter, scan.seed, scan.patient)
    data.SeriesInstanceUID, data.FrameOfReferenceUID = made_up_uid("series", *own), made_up_uid("frame", *own)
    data.StudyID, data.SeriesNumber, data.InstanceNumber = "1", "1", str(number + 1)
    data.StudyDate = data.StudyTime = data.AccessionNumber = data.ReferringPhysicianName = ""
    data.PatientID, data.PatientName, data.PatientBirthDate = scan.patient_id, "Simulated^Spine", ""
    data.PatientSex, data.PatientAge = "F" if scan.sex == "female" else "M", f"{int(scan.age_ct):03d}Y"
    data.PatientPosition = "HFS"
    data.Modality, data.BodyPartExamined = "CT", "LSPINE"
    data.InstitutionName, data.Manufacturer = scan.site, "xattn_bmd simulation"
    data.ManufacturerModelName = scan.scanner
    data.SeriesDescription = "Simulated lumbar CT, not a patient"
    data.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    data.BurnedInAnnotation = "NO"
    return data
