"""DICOM CT series to Hounsfield units: one slice at a time, straight into the array that is returned."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.pictures.build import default_workers
from xattn_bmd.data.reading.dicom_levels import cut_short, declared_padding, stored_levels
from xattn_bmd.data.volumes.canonical import frame_of
from xattn_bmd.data.volumes.hounsfield import NOTHING, ValueRange, require_hounsfield, set_floor
from xattn_bmd.data.volumes.series import find_series
from xattn_bmd.data.volumes.stack import Stack, stacked
from xattn_bmd.data.volumes.tilt import Straightening
from xattn_bmd.errors import RadiographError, VolumeError
from xattn_bmd.types import Volume

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_TAGS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
)
_REQUIRED = ("BitsAllocated", "BitsStored", "SamplesPerPixel", "PhotometricInterpretation", "PixelData")
_UNITS = ("", "HU", "US")
"""Rescale types that mean Hounsfield units: none stated, HU, and "unspecified" as some archives rewrite it."""


def read_dicom_volume(path: Path, *, series: str | None = None) -> Volume:
    """Read the CT series of a folder, or the one that a file belongs to.

    Memory: one float32 array of the result, and a slice for each thread.

    Args:
        path: the folder, or a file in it.
        series: SeriesInstanceUID, where the folder holds several CT series.

    Raises:
        VolumeError: if the files do not make up one volume in Hounsfield units.

    Source:
        DICOM PS3.3, C.7.6.2 (image plane), C.8.2.1 (CT image), C.7.5.1.1.2 (padding).
    """
    name = path.name
    found = find_series(path, series=series)
    stack = stacked(found.slices, name=name)
    straighten = _straightening(stack)
    affine = stack.affine if straighten is None else straighten.affine(stack.affine)
    plane = stack.slices[0].shape if straighten is None else straighten.shape
    frame = frame_of(affine, (len(stack.slices), *plane), name=name)
    voxels = np.empty(frame.shape, dtype=np.float32)
    values, decoded = _fill(frame.as_stored(voxels), stack, straighten)
    units = require_hounsfield(values, name=name)
    techniques = Counter(header.technique for header in stack.slices if header.technique)
    steps = (*found.steps, *stack.steps, decoded, *units, *_tilt_step(stack, straighten), *frame.steps(), *techniques)
    return Volume(voxels=voxels, spacing_mm=frame.spacing_mm, affine=frame.affine, steps=steps)


def _straightening(stack: Stack) -> Straightening | None:
    if stack.drift_pixels == (0.0, 0.0):
        return None
    return Straightening(stack.slices[0].shape, slices=len(stack.slices), drift_pixels=stack.drift_pixels)


def _tilt_step(stack: Stack, straighten: Straightening | None) -> tuple[str, ...]:
    if straighten is None:
        return ()
    rows, columns = straighten.shape
    return (
        f"gantry tilt of {stack.tilt_degrees:.1f} degrees: slices shifted within their plane by linear interpolation, "
        f"grid widened to {rows} x {columns}",
    )


def _fill(stored: NDArray[np.float32], stack: Stack, straighten: Straightening | None) -> tuple[ValueRange, str]:
    """Decode every slice into its place; return the values met and how they were stored."""

    def one(number: int) -> tuple[ValueRange, str]:
        values, padding, words = _decoded(stack.slices[number].path)
        found = set_floor(values, padding=padding)
        stored[number] = values if straighten is None else straighten.straight(values, number)
        return found, words

    total, how = NOTHING, Counter[str]()
    with ThreadPoolExecutor(max_workers=default_workers(), thread_name_prefix="slice") as pool:
        try:
            for found, words in pool.map(one, range(len(stack.slices))):
                total = total.joined(found)
                how[words] += 1
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return total, "; ".join(how)


def _decoded(path: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None, str]:
    """Return the HU ``(rows, columns)`` of one file, which voxels are padding, and the step in words."""
    try:
        header = _header(path)
        levels, words = stored_levels(header, name=path.name)
        padding = declared_padding(_signed_padding(header), levels.levels)
    except (VolumeError, MemoryError):
        raise
    except RadiographError as cause:
        raise VolumeError(str(cause)) from cause
    except Exception as cause:
        # pydicom and the decoders meet damaged files with many kinds of exception
        raise VolumeError(str(cut_short(path.name))) from cause
    slope, intercept = _rescale(header, name=path.name)
    values = levels.levels.astype(np.float32)
    values *= np.float32(slope)
    values += np.float32(intercept)
    return values, padding, f"{words}; HU = {slope:g} x stored {intercept:+g}"


def _header(path: Path) -> Dataset:
    from pydicom import dcmread

    content = path.read_bytes()
    header = dcmread(BytesIO(content), force=content[128:132] != b"DICM", specific_tags=list(_TAGS))
    missing = [tag for tag in _REQUIRED if header.get(tag) is None]
    if missing:
        raise VolumeError(
            f"A CT slice states its bit depth and has pixels, but {path.name} lacks {', '.join(missing)}; "
            "export it again."
        )
    return header


def _signed_padding(header: Dataset) -> Dataset:
    """Return the header with padding values above the signed range turned negative: some scanners store them so."""
    bits = int(header.BitsAllocated)
    for tag in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        value = header.get(tag)
        if header.get("PixelRepresentation") and isinstance(value, int) and value >= 1 << bits - 1:
            header.add_new(tag, "SS", value - (1 << bits))
    return header


def _rescale(header: Dataset, *, name: str) -> tuple[float, float]:
    kind = str(header.get("RescaleType") or "").strip().upper()
    if kind not in _UNITS:
        raise VolumeError(
            f"A CT volume holds Hounsfield units, but {name} states RescaleType {kind[:16]}: wrong units; give the "
            "series in HU (a density, iodine or atomic-number map is none)."
        )
    try:
        slope, intercept = float(header.get("RescaleSlope")), float(header.get("RescaleIntercept"))
    except (TypeError, ValueError):
        slope, intercept = 0.0, 0.0
    if not slope > 0 or not np.isfinite([slope, intercept]).all():
        raise VolumeError(
            f"A CT slice states RescaleSlope (above 0) and RescaleIntercept, but {name} does not, so its numbers have "
            "no unit; export the series again with its full header."
        )
    return slope, intercept
