"""DICOM file to grey levels: decode, modality LUT, VOI LUT or window, polarity, spacing, in the standard's order.

Only the tags listed here are parsed, so the text that a header holds about a patient is never read, let alone shown.

Windows: a VOI LUT is a curve and is applied as it stands.  A window is applied as the line (or sigmoid) that it
defines, *without* clipping at its ends: a narrow display window would otherwise delete the very cortical levels that
density is estimated from, and the later percentile window makes any linear window a mere change of units.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.reading.dicom_display import displayed
from xattn_bmd.data.reading.dicom_spacing import pixel_spacing
from xattn_bmd.data.reading.grey_channels import grey_channel
from xattn_bmd.data.reading.greyscale import Greyscale
from xattn_bmd.errors import RadiographError
from xattn_bmd.types import Radiograph

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

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
        raise _cut_short(path.name) from cause


def _read(path: Path, *, has_preamble: bool) -> Radiograph:
    header = _header(path, has_preamble=has_preamble)
    _require_one_picture(header, name=path.name)
    grey, decoded = _stored_levels(header, name=path.name)
    padding = _padding(header, grey.levels)
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


def _stored_levels(header: Dataset, *, name: str) -> tuple[Greyscale, str]:
    stored, signed = int(header.BitsStored), bool(header.get("PixelRepresentation") or 0)
    allocated, high_bit = int(header.BitsAllocated), int(header.get("HighBit", stored - 1))
    syntax = _readable_syntax(header, name=name)
    shifted = not syntax.is_encapsulated and stored - 1 < high_bit < allocated
    if shifted:
        # pydicom takes the stored bits to be the lowest ones; these are not, so it is given whole words
        header.BitsStored, header.HighBit = allocated, allocated - 1
    array: NDArray[Any] = header.pixel_array
    grey = array if array.ndim == 2 else grey_channel(array, name=name)
    levels = grey.astype(np.int32)
    if shifted:
        levels = _stored_bits(levels >> high_bit + 1 - stored, stored=stored, signed=signed)
    grey_of_three = "" if array.ndim == 2 else ", three equal colour channels taken as grey"
    step = (
        f"decoded DICOM ({syntax.name}): {grey.shape[0]} x {grey.shape[1]}, {stored} of {allocated} bits, "
        f"{'signed' if signed else 'unsigned'}{grey_of_three}"
    )
    lowest = -(1 << stored - 1) if signed else 0
    return Greyscale(levels=levels, lowest=lowest, highest=lowest + (1 << stored) - 1), step


def _readable_syntax(header: Dataset, *, name: str) -> UID:
    syntax: UID | None = getattr(header.file_meta, "TransferSyntaxUID", None)
    if syntax is None:
        raise RadiographError(
            f"A DICOM file names its transfer syntax, but {name} does not; export it again as a DICOM Part 10 file."
        )
    _require_decoder(syntax, bits=int(header.BitsStored), name=name)
    if syntax.is_encapsulated and _lacks_end(header, syntax=str(syntax)):
        raise _cut_short(name)
    return syntax


def _require_decoder(syntax: UID, *, bits: int, name: str) -> None:
    from pydicom.pixels.decoders.base import get_decoder

    try:
        decoder = get_decoder(syntax)
        available = decoder.is_available
    except NotImplementedError:
        available = False
    # Pillow calls itself able to decode JPEG Extended, but its 12-bit streams defeat it
    if available and not (str(syntax) == _JPEG_EXTENDED and bits > 8 and set(_plugins(decoder)) == {"pillow"}):
        return
    raise RadiographError(
        f"The installed decoders read raw, RLE, JPEG baseline and JPEG 2000 DICOM, but {name} is compressed as "
        f"{syntax.name}; install the extra with pip install 'xattn-bmd[dicom]', or export the file uncompressed."
    )


_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_JPEG_FAMILY = "1.2.840.10008.1.2.4."


def _plugins(decoder: Any) -> tuple[str, ...]:  # noqa: ANN401
    return tuple(decoder.available_plugins)


def _lacks_end(header: Dataset, *, syntax: str) -> bool:
    """Tell whether a JPEG-family stream misses its end marker; some decoders fill the missing part with grey."""
    return syntax.startswith(_JPEG_FAMILY) and b"\xff\xd9" not in bytes(header.PixelData[-64:])


def _stored_bits(words: NDArray[np.int32], *, stored: int, signed: bool) -> NDArray[np.int32]:
    """Keep the lowest ``stored`` bits of each word, with their sign."""
    levels = words & np.int32((1 << stored) - 1)
    return np.where(levels >> stored - 1, levels - (1 << stored), levels).astype(np.int32) if signed else levels


def _padding(header: Dataset, levels: NDArray[np.int32]) -> NDArray[np.bool_] | None:
    value, limit = header.get("PixelPaddingValue"), header.get("PixelPaddingRangeLimit")
    if not isinstance(value, int):
        return None
    low, high = sorted((value, limit if isinstance(limit, int) else value))
    mask = (levels >= low) & (levels <= high)
    return mask if mask.any() and not mask.all() else None


def _cut_short(name: str) -> RadiographError:
    return RadiographError(
        f"A DICOM file must be complete, but {name} is cut short or damaged and cannot be decoded; copy it again."
    )


def _not_an_image(name: str) -> RadiographError:
    return RadiographError(
        f"A radiograph is a DICOM, PNG, TIFF or JPEG file, but {name} is none of these; give the image file."
    )
