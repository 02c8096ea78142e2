"""The file of one crop: DICOM where the spacing is known, else a 16-bit PNG; the reader gives back what went in."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.types import Radiograph

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

_DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_HIGHEST = 65535


def whole_levels(radiograph: Radiograph) -> NDArray[np.uint16]:
    """Return a radiograph's grey levels as 16-bit numbers, bone bright.

    Whole numbers in 0-65535 stay what they are.  Others are mapped in a straight line from the radiograph's darkest and
    brightest level, so that all its crops share one map.

    Example:
        >>> whole_levels(Radiograph(np.array([[-1.0, 0.5, 1.0]], dtype=np.float32), None, ())).tolist()
        [[0, 49151, 65535]]
    """
    pixels = radiograph.pixels
    low, high = float(pixels.min()), float(pixels.max())
    if low >= 0 and high <= _HIGHEST and bool((pixels == np.rint(pixels)).all()):
        return pixels.astype(np.uint16)
    return np.rint((pixels.astype(np.float64) - low) * (_HIGHEST / (high - low))).astype(np.uint16)


def crop_bytes(levels: NDArray[np.uint16], *, spacing_mm: tuple[float, float] | None, name: str) -> tuple[str, bytes]:
    """Return suffix and content of a crop's file.

    A PNG rounds a spacing and a TIFF has none, so a spacing goes into a DICOM file.  It carries no patient data and the
    same input gives the same bytes.

    Args:
        levels: (H, W), bone bright.
        spacing_mm: ``(row, column)``, mm, or None where it is not known.
        name: id of the crop, from which the DICOM identifiers are made.
    """
    stream = io.BytesIO()
    if spacing_mm is None:
        from PIL import Image

        Image.fromarray(levels).save(stream, format="PNG")
        return ".png", stream.getvalue()
    import pydicom

    pydicom.dcmwrite(stream, _dataset(levels, spacing_mm=spacing_mm, name=name), enforce_file_format=True)
    return ".dcm", stream.getvalue()


def _dataset(levels: NDArray[np.uint16], *, spacing_mm: tuple[float, float], name: str) -> FileDataset:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, generate_uid
    from pydicom.valuerep import DSfloat

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_DX_FOR_PRESENTATION)
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["instance", name])
    meta.TransferSyntaxUID = UID(_EXPLICIT_LITTLE_ENDIAN)
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = (
        generate_uid(entropy_srcs=[part, name]) for part in ("study", "series")
    )
    data.PatientID = data.PatientName = data.PatientBirthDate = data.PatientSex = ""
    data.StudyDate = data.StudyTime = data.StudyID = data.AccessionNumber = data.ReferringPhysicianName = ""
    data.Modality, data.PresentationIntentType, data.ImageType = "DX", "FOR PRESENTATION", ["DERIVED", "SECONDARY"]
    data.DerivationDescription = "Crop of a radiograph"
    data.PixelSpacing = [DSfloat(side, auto_format=True) for side in spacing_mm]
    data.Rows, data.Columns = levels.shape
    data.SamplesPerPixel, data.PixelRepresentation = 1, 0
    data.PhotometricInterpretation, data.PresentationLUTShape = "MONOCHROME2", "IDENTITY"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = "0", "1", "US"
    data.PixelData = levels.astype("<u2").tobytes()
    return data
