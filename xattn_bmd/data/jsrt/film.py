"""One JSRT radiograph: a digitised film, from its raw levels to a DICOM file."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import CohortError

SIDE = 2048
"""Rows and columns, pixels."""

SPACING_MM = 0.175
"""Distance between pixel centres in the plane of the film, mm."""

BITS = 12

_BYTES = SIDE * SIDE * 2
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


def film_levels(content: bytes, *, name: str) -> NDArray[np.uint16]:
    """Return the levels of an ``.IMG`` file: no header, big-endian, high where the film is dark.

    Args:
        content: the file.
        name: what messages call it.

    Returns:
        ``(2048, 2048)`` uint16, 0 to 4095.

    Raises:
        CohortError: if the length, a level or the whole picture is impossible.

    Source:
        JSRT's own pages and Shiraishi et al., AJR 2000; 174:71-74: size, depth, pixel, no header, big-endian.  The
        polarity is what the many public programs that invert these files agree on.
    """
    if len(content) != _BYTES:
        raise CohortError(
            f"A JSRT radiograph has {_BYTES} bytes ({SIDE} x {SIDE} pixels of 16 bits), but {name} has {len(content)}; "
            "copy or unpack it again."
        )
    levels = np.frombuffer(content, dtype=">u2").astype(np.uint16).reshape(SIDE, SIDE)
    if levels.max() >= 1 << BITS:
        swapped = levels.byteswap().max() < 1 << BITS
        raise CohortError(
            f"A JSRT radiograph has {BITS} bits, high byte first, but {name} has the level {levels.max()}; "
            f"{'its bytes were swapped: ' if swapped else ''}take the original file."
        )
    if levels.min() == levels.max():
        raise CohortError(
            f"A radiograph shows more than one grey level, but every pixel of {name} equals {levels.max()}; "
            "copy or unpack it again."
        )
    return levels


def film_dicom(levels: NDArray[np.uint16], *, radiograph: str) -> bytes:
    """Return a DICOM file (secondary capture of a digitised film) with the levels unchanged.

    It says what JSRT says and nothing else: no name, birth date, age or sex, no date; the UIDs depend on the id alone.

    Args:
        levels: ``(2048, 2048)`` uint16, high where the film is dark.
        radiograph: its id, which is also the patient's.
    """
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_SECONDARY_CAPTURE)
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["JSRT instance", radiograph])
    meta.TransferSyntaxUID = UID(_EXPLICIT_LITTLE_ENDIAN)
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID = generate_uid(entropy_srcs=["JSRT study", radiograph])
    data.SeriesInstanceUID = generate_uid(entropy_srcs=["JSRT series", radiograph])
    data.PatientID, data.PatientName, data.PatientBirthDate, data.PatientSex = radiograph, "", "", ""
    data.StudyDate = data.StudyTime = data.AccessionNumber = data.ReferringPhysicianName = data.StudyID = ""
    data.SeriesNumber, data.InstanceNumber = "1", "1"
    data.Modality, data.ConversionType = "RG", "DF"
    data.BodyPartExamined, data.ViewPosition, data.PatientOrientation = "CHEST", "PA", ["L", "F"]
    data.PixelSpacing = data.NominalScannedPixelSpacing = [f"{SPACING_MM}"] * 2
    data.Rows, data.Columns = levels.shape
    data.SamplesPerPixel, data.PixelRepresentation = 1, 0
    data.PhotometricInterpretation = "MONOCHROME1"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, BITS, BITS - 1
    data.PixelData = levels.astype("<u2").tobytes()
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data, enforce_file_format=True)
    return stream.getvalue()
