"""Write one simulated radiograph as a DICOM DX file, the same bytes for the same input."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

from xattn_bmd.simulate.site import BITS

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

    from xattn_bmd.simulate.hip import HipPicture
    from xattn_bmd.simulate.person import Hip

_DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


def made_up_uid(*parts: str | int) -> str:
    """Return a valid UID under 2.25 that depends on the parts alone.

    Example:
        >>> made_up_uid("study", 0, 1) == made_up_uid("study", 0, 1)
        True
    """
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:15], 'big')}"


def dicom_bytes(picture: HipPicture, hip: Hip, *, seed: int) -> bytes:
    """Return the file: explicit VR little endian, uncompressed, every identifier made up, no date from the clock.

    Args:
        picture: pixels and geometry.
        hip: the person.
        seed: of the cohort; part of the identifiers.
    """
    import pydicom

    data = _dataset(hip, seed=seed)
    _describe_exposure(data, picture)
    _describe_pixels(data, picture)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data, enforce_file_format=True)
    return stream.getvalue()


def _dataset(hip: Hip, *, seed: int) -> FileDataset:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID

    instance = UID(made_up_uid("instance", seed, hip.index))
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_DX_FOR_PRESENTATION)
    meta.MediaStorageSOPInstanceUID = instance
    meta.TransferSyntaxUID = UID(_EXPLICIT_LITTLE_ENDIAN)
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = _DX_FOR_PRESENTATION
    data.SOPInstanceUID = instance
    data.StudyInstanceUID = made_up_uid("study", seed, hip.patient)
    data.SeriesInstanceUID = made_up_uid("series", seed, hip.index)
    data.FrameOfReferenceUID = made_up_uid("frame", seed, hip.index)
    data.StudyID, data.SeriesNumber, data.InstanceNumber = "1", "1", "1"
    data.StudyDate = data.StudyTime = data.AccessionNumber = data.ReferringPhysicianName = ""
    data.PatientID, data.PatientName, data.PatientBirthDate = hip.patient_id, "Simulated^Hip", ""
    data.PatientSex = "F" if hip.sex == "female" else "M"
    data.PatientAge = f"{int(hip.age_xray):03d}Y"
    data.Modality, data.BodyPartExamined, data.ViewPosition = "DX", "HIP", "AP"
    data.ImageLaterality = hip.side
    data.PatientOrientation = ["L", "F"]
    data.InstitutionName, data.Manufacturer = hip.site, "xattn_bmd simulation"
    data.SeriesDescription = "Simulated AP hip, not a patient"
    data.ImageType = ["DERIVED", "PRIMARY"]
    data.PresentationIntentType = "FOR PRESENTATION"
    data.BurnedInAnnotation = "NO"
    return data


def _describe_exposure(data: FileDataset, picture: HipPicture) -> None:
    beam = picture.beam
    data.KVP = str(picture.kvp)
    data.DistanceSourceToDetector = f"{beam.source_detector_mm:.1f}"
    data.DistanceSourceToPatient = f"{beam.source_hip_mm:.1f}"
    data.EstimatedRadiographicMagnificationFactor = f"{beam.magnification:.4f}"
    data.ImagerPixelSpacing = [f"{beam.spacing_mm:.6f}"] * 2
    data.PixelSpacing = [f"{beam.spacing_mm:.6f}"] * 2
    data.PixelSpacingCalibrationType = "GEOMETRY"
    data.PixelSpacingCalibrationDescription = "detector plane, not corrected for magnification"


def _describe_pixels(data: FileDataset, picture: HipPicture) -> None:
    low, high = picture.site.stored_range
    inverted = picture.site.photometric == "MONOCHROME1"
    data.Rows, data.Columns = picture.pixels.shape
    data.SamplesPerPixel, data.PixelRepresentation = 1, 0
    data.PhotometricInterpretation = picture.site.photometric
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, BITS, BITS - 1
    data.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = "0", "1", "US"
    data.WindowCenter, data.WindowWidth = str((low + high + 1) // 2), str(high - low + 1)
    data.LossyImageCompression = "00"
    data.PixelData = picture.pixels.astype("<u2").tobytes()
