"""Modality LUT, VOI LUT or window, and polarity of a DICOM header, applied to stored levels."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.reading.greyscale import Greyscale

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def displayed(header: Dataset, grey: Greyscale) -> tuple[Greyscale, list[str]]:
    """Apply modality LUT, VOI LUT or window, and polarity, in this order.

    Args:
        header: the DICOM header.
        grey: the stored levels.

    Returns:
        the levels with bone bright, and the steps taken in words.
    """
    grey, modality_step = _modality(header, grey)
    grey, about, voi_step = _voi(header, grey)
    inverse, polarity_step = _polarity(header)
    return (grey.inverted(about=about) if inverse else grey), [modality_step, voi_step, polarity_step]


def decimal(header: Dataset, tag: str) -> Fraction | None:
    """Return the first value of a numeric tag exactly as its decimal text states it, or None."""
    value = header.get(tag)
    if value is not None and not isinstance(value, str) and hasattr(value, "__getitem__"):
        value = value[0] if len(value) else None
    try:
        return None if value is None else Fraction(str(value).strip())
    except (ValueError, ZeroDivisionError):
        return None


def _modality(header: Dataset, grey: Greyscale) -> tuple[Greyscale, str]:
    table = _table(header, "ModalityLUTSequence")
    if table is not None:
        entries, first, bits = table
        return grey.looked_up(entries, first=first, highest=(1 << bits) - 1), "modality LUT sequence applied"
    slope, intercept = decimal(header, "RescaleSlope"), decimal(header, "RescaleIntercept")
    if not slope or intercept is None:
        return grey, "no modality LUT"
    step = f"rescaled: slope {float(slope):g}, intercept {float(intercept):g}"
    return grey.rescaled(slope=slope, intercept=intercept), step


def _voi(header: Dataset, grey: Greyscale) -> tuple[Greyscale, Fraction | None, str]:
    """Return the levels, the sum of black and white (None: the format's own range), and the step."""
    table = _table(header, "VOILUTSequence")
    if table is not None:
        entries, first, bits = table
        return grey.looked_up(entries, first=first, highest=(1 << bits) - 1), None, "first VOI LUT applied"
    centre, width = decimal(header, "WindowCenter"), decimal(header, "WindowWidth")
    if centre is None or width is None:
        return grey, None, "no VOI LUT or window"
    return _windowed(grey, centre=centre, width=width, shape=str(header.get("VOILUTFunction") or "LINEAR").upper())


def _windowed(
    grey: Greyscale, *, centre: Fraction, width: Fraction, shape: str
) -> tuple[Greyscale, Fraction | None, str]:
    words = f"window (centre {float(centre):g}, width {float(width):g}, {shape[:16]})"
    if shape == "LINEAR":
        # PS3.3 C.11.2.1.2.1: a LINEAR window counts integer levels, so its ends lie half a level inwards
        centre, width = centre - Fraction(1, 2), width - 1
    if width <= 0 or shape not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        return grey, None, f"{words} ignored: it has no extent or an unknown shape"
    if shape == "SIGMOID":
        grey = grey.rescaled(slope=1 / width, intercept=-centre / width)
        return _with_sigmoid(grey), Fraction(0), f"first {words} applied"
    grey = grey.rescaled(slope=1 / width, intercept=Fraction(1, 2) - centre / width)
    return grey, Fraction(1), f"first {words} applied without clipping"


def _with_sigmoid(grey: Greyscale) -> Greyscale:
    return Greyscale(
        levels=grey.levels,
        lowest=grey.lowest,
        highest=grey.highest,
        slope=grey.slope,
        intercept=grey.intercept,
        sigmoid=True,
    )


def _polarity(header: Dataset) -> tuple[bool, str]:
    """Tell whether the levels must be inverted: MONOCHROME1 and the shape INVERSE say the same thing, once."""
    negative = str(header.PhotometricInterpretation) == "MONOCHROME1"
    shape = str(header.get("PresentationLUTShape") or "").upper()
    if negative:
        return True, "MONOCHROME1: inverted so that bone is bright"
    if shape == "INVERSE":
        return True, "presentation LUT shape INVERSE: inverted so that bone is bright"
    return False, "polarity kept: bright is dense"


def _table(header: Dataset, tag: str) -> tuple[NDArray[np.int32], int, int] | None:
    """Return the entries, the first mapped value and the bits of the first LUT of a sequence, or None."""
    sequence = header.get(tag)
    if not sequence or "LUTDescriptor" not in sequence[0] or "LUTData" not in sequence[0]:
        return None
    count, first, bits = (int(value) for value in sequence[0].LUTDescriptor)
    data = sequence[0].LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, dtype=_word(header, data, count=count or 1 << 16))
    entries = np.asarray(data, dtype=np.int32)[: count or 1 << 16]
    return (entries, first, bits) if len(entries) else None


def _word(header: Dataset, data: bytes, *, count: int) -> str:
    if len(data) in (count, count + count % 2):
        return "u1"
    return "<u2" if header.file_meta.TransferSyntaxUID.is_little_endian else ">u2"
