"""Distance between pixel centres, from whichever DICOM tag states it best."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xattn_bmd.data.reading.dicom_display import decimal

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def pixel_spacing(header: Dataset) -> tuple[tuple[float, float] | None, str]:
    """Return ``(row, column)`` spacing in mm, or None, and the step in words.

    PixelSpacing is taken first (calibrated by the maker), then ImagerPixelSpacing divided by the estimated
    magnification, then NominalScannedPixelSpacing.  Zero or negative spacings count as not stated.

    Args:
        header: the DICOM header.

    Source:
        DICOM PS3.3, 10.7.1.3 (pixel spacing calibration) and C.8.11.4 (DX positioning).
    """
    spacing = _pair(header, "PixelSpacing")
    if spacing:
        return spacing, f"spacing {_words(spacing)} from PixelSpacing"
    spacing = _pair(header, "ImagerPixelSpacing")
    if spacing:
        magnification = float(decimal(header, "EstimatedRadiographicMagnificationFactor") or 0)
        if magnification > 0:
            spacing = (spacing[0] / magnification, spacing[1] / magnification)
            return spacing, f"spacing {_words(spacing)} from ImagerPixelSpacing / magnification {magnification:g}"
        return spacing, f"spacing {_words(spacing)} at the detector from ImagerPixelSpacing (magnification not stated)"
    spacing = _pair(header, "NominalScannedPixelSpacing")
    if spacing:
        return spacing, f"spacing {_words(spacing)} from NominalScannedPixelSpacing"
    return None, "spacing not stated"


def _pair(header: Dataset, tag: str) -> tuple[float, float] | None:
    value = header.get(tag)
    try:
        row, column = (float(item) for item in value)
    except (TypeError, ValueError):
        return None
    return (row, column) if 0 < row < float("inf") and 0 < column < float("inf") else None


def _words(spacing: tuple[float, float]) -> str:
    return f"{spacing[0]:.4g} x {spacing[1]:.4g} mm"
