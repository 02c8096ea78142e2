"""Write one simulated radiograph as a DICOM DX file, the same bytes for the same input."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.simulate.projection import Beam
from xattn_bmd.simulate.site import BITS, Site

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

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


class Picture(Protocol):
    """What is stored of a simulated radiograph."""

    @property
    def pixels(self) -> NDArray[np.uint16]:
        """``(H, W)`` stored values."""

    @property
    def site(self) -> Site:
        """The hospital."""

    @property
    def kvp(self) -> int:
        """Tube voltage."""

    @property
    def beam(self) -> Beam:
        """The geometry."""


@dataclass(frozen=True, kw_only=True)
class Exam:
    """What the file says of patient and view; everything is made up.

    Attributes:
        instance: parts of the radiograph's own identifiers.
        study: parts of the patient's identifier.
        patient_id: as in the cohort table.
        patient_name: family and given name.
        sex: ``"female"`` or ``"male"``.
        age: years.
        hospital: name of the institution.
        body_part: DICOM body part examined.
        view: DICOM view position.
        laterality: ``L``, ``R``, or ``U`` for an unpaired part.
        description: of the series.
        orientation: where rows and columns run to, as DICOM names it.
    """

    instance: tuple[str | int, ...]
    study: tuple[str | int, ...]
    patient_id: str
    patient_name: str
    sex: str
    age: float
    hospital: str
    body_part: str
    view: Literal["AP", "PA", "LL"]
    laterality: Literal["L", "R", "U"]
    description: str
    orientation: tuple[str, str] = ("L", "F")


def dicom_bytes(picture: Picture, hip: Hip, *, seed: int) -> bytes:
    """Return the file of a hip; see :func:`exam_bytes`.

    Args:
        picture: pixels and geometry.
        hip: the person.
        seed: of the cohort; part of the identifiers.
    """
    exam = Exam(
        instance=(seed, hip.index),
        study=(seed, hip.patient),
        patient_id=hip.patient_id,
        patient_name="Simulated^Hip",
        sex=hip.sex,
        age=hip.age_xray,
        hospital=hip.site,
        body_part="HIP",
        view="AP",
        laterality=hip.side,
        description="Simulated AP hip, not a patient",
    )
    return exam_bytes(picture, exam)


def exam_bytes(picture: Picture, exam: Exam) -> bytes:
    """Return the file: explicit VR little endian, uncompressed, every identifier made up, no date from the clock.

    Args:
        picture: pixels and geometry.
        exam: patient and view.
    """
    import pydicom

    data = _dataset(exam)
    _describe_exposure(data, picture)
    _describe_pixels(data, picture)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data, enforce_file_format=True)
    return stream.getvalue()


def _dataset(exam: Exam) -> FileDataset:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID

    instance = UID(made_up_uid("instance", *exam.instance))
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_DX_FOR_PRESENTATION)
    meta.MediaStorageSOPInstanceUID = instance
    meta.TransferSyntaxUID = UID(_EXPLICIT_LITTLE_ENDIAN)
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = _DX_FOR_PRESENTATION
    data.SOPInstanceUID = instance
    data.StudyInstanceUID = made_up_uid("study", *exam.study)
    data.SeriesInstanceUID = made_up_uid("series", *exam.instance)
    data.FrameOfReferenceUID = made_up_uid("frame", *exam.instance)
    data.StudyID, data.SeriesNumber, data.InstanceNumber = "1", "1", "1"
    data.StudyDate = data.StudyTime = data.AccessionNumber = data.ReferringPhysicianName = ""
    data.PatientID, data.PatientName, data.PatientBirthDate = exam.patient_id, exam.patient_name, ""
    data.PatientSex = "F" if exam.sex == "female" else "M"
    data.PatientAge = f"{int(exam.age):03d}Y"
    data.Modality, data.BodyPartExamined, data.ViewPosition = "DX", exam.body_part, exam.view
    data.ImageLaterality = exam.laterality
    data.PatientOrientation = list(exam.orientation)
    data.InstitutionName, data.Manufacturer = exam.hospital, "xattn_bmd simulation"
    data.SeriesDescription = exam.description
    data.ImageType = ["DERIVED", "PRIMARY"]
    data.PresentationIntentType = "FOR PRESENTATION"
    data.BurnedInAnnotation = "NO"
    return data


def _describe_exposure(data: FileDataset, picture: Picture) -> None:
    beam = picture.beam
    data.KVP = str(picture.kvp)
    data.DistanceSourceToDetector = f"{beam.source_detector_mm:.1f}"
    data.DistanceSourceToPatient = f"{beam.source_hip_mm:.1f}"
    data.EstimatedRadiographicMagnificationFactor = f"{beam.magnification:.4f}"
    data.ImagerPixelSpacing = [f"{beam.spacing_mm:.6f}"] * 2
    data.PixelSpacing = [f"{beam.spacing_mm:.6f}"] * 2
    data.PixelSpacingCalibrationType = "GEOMETRY"
    data.PixelSpacingCalibrationDescription = "detector plane, not corrected for magnification"


def _describe_pixels(data: FileDataset, picture: Picture) -> None:
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
