"""DICOM file to grey levels: decode, modality LUT, VOI LUT or window, polarity, spacing, in the standard's order.

Only the tags listed here are parsed, so the text that a header holds about a patient is never read, let alone shown.

Windows: a VOI LUT is a curve and is applied as it stands.  A window is applied as the line (or sigmoid) that it
defines, *without* clipping at its ends: a narrow display window would otherwise delete the very cortical levels that
density is estimated from, and the later percentile window makes any linear window a mere change of units.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from xattn_bmd.data.reading.dicom_display import displayed
from xattn_bmd.data.reading.dicom_levels import cut_short, declared_padding, stored_levels
from xattn_bmd.data.reading.dicom_spacing import pixel_spacing
from xattn_bmd.errors import RadiographError
from xattn_bmd.types import Radiograph

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_TAGS = (
    "TransferSyntaxUID",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PlanarConfiguration",
    "PixelData",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "ModalityLUTSequence",
    "RescaleSlope",
    "RescaleIntercept",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "PresentationLUTShape",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "EstimatedRadiographicMagnificationFactor",
    "NominalScannedPixelSpacing",
)
_REQUIRED = ("Rows", "Columns", "BitsAllocated", "BitsStored", "SamplesPerPixel", "PhotometricInterpretation")
_GREY = ("MONOCHROME1", "MONOCHROME2")


def read_dicom(path: Path, *, has_preamble: bool = True) -> Radiograph:
    """Read one DICOM radiograph.

    Args:
        path: the file.
        has_preamble: whether the file starts with the DICOM preamble; without it, image tags are demanded.

    Returns:
        pixels ``(H, W)`` float32, bone bright: a fraction of the display window where the file has one (0 black, 1
        white, unclipped), modality units otherwise.

    Raises:
        RadiographError: if the file is no DICOM, is cut short, or is not one grey-scale picture.

    Source:
        DICOM PS3.3, C.11.1 (modality LUT), C.11.2 (VOI LUT), C.11.6 (presentation LUT), C.7.6.3 (pixels).
    """
    try:
        return _read(path, has_preamble=has_preamble)
    except (RadiographError, MemoryError):
        raise
    except Exception as cause:
        # pydicom and the decoders meet damaged files with many kinds of exception
        raise cut_short(path.name) from cause


def _read(path: Path, *, has_preamble: bool) -> Radiograph:
    header = _header(path, has_preamble=has_preamble)
    _require_one_picture(header, name=path.name)
    grey, decoded = stored_levels(header, name=path.name)
    padding = declared_padding(header, grey.levels)
    grey, shown = displayed(header, grey)
    pixels = grey.pixels()
    steps = [decoded, *shown]
    if padding is not None:
        pixels[padding] = pixels[~padding].min()
        steps.append(f"{padding.mean():.1%} of the pixels are declared padding: set to the darkest grey of the rest")
    spacing, spacing_step = pixel_spacing(header)
    return Radiograph(pixels=pixels, spacing_mm=spacing, steps=(*steps, spacing_step))


def _header(path: Path, *, has_preamble: bool) -> Dataset:
    from pydicom import dcmread

    try:
        # from memory, so that no warning of pydicom prints the path, which may name a patient
        header = dcmread(BytesIO(path.read_bytes()), force=not has_preamble, specific_tags=list(_TAGS))
    except Exception as cause:
        if has_preamble:
            raise
        raise _not_an_image(path.name) from cause
    if not has_preamble and "Rows" not in header:
        raise _not_an_image(path.name)
    return header


def _require_one_picture(header: Dataset, *, name: str) -> None:
    if "PixelData" not in header or len(header["PixelData"].value or b"") == 0:
        raise RadiographError(
            f"A radiograph needs pixels, but the DICOM file {name} has no pixel data (a report, a presentation state, "
            "or a file cut short); give the image object."
        )
    missing = [tag for tag in _REQUIRED if header.get(tag) is None]
    if missing:
        raise RadiographError(
            f"A DICOM image states its size and bit depth, but {name} lacks {', '.join(missing)}; export it again."
        )
    frames = int(header.get("NumberOfFrames") or 1)
    if frames > 1:
        raise RadiographError(
            f"A radiograph is a single picture, but {name} holds {frames} frames; export the one that is meant."
        )
    photometric = str(header.PhotometricInterpretation)
    if photometric not in _GREY and int(header.SamplesPerPixel) != 3:
        raise RadiographError(
            f"A radiograph is grey (MONOCHROME1 or MONOCHROME2), but {name} is {photometric[:16]}; "
            "export it in grey levels."
        )


def _not_an_image(name: str) -> RadiographError:
    return RadiographError(
        f"A radiograph is a DICOM, PNG, TIFF or JPEG file, but {name} is none of these; give the image file."
    )
