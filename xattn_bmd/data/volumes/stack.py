"""Put the slices of a series in order of position, and say where they do not form a volume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.volumes.slice_header import SliceHeader
from xattn_bmd.errors import VolumeError

_UNEVEN_SHARE = 0.02
_UNEVEN_MM = 0.02
"""A gap may differ from the others by 2 % or 0.02 mm, whichever is more: headers round positions."""

_MOST_LISTED = 8


@dataclass(frozen=True)
class Stack:
    """The slices of one series, sorted along their normal.

    Attributes:
        slices: headers, ``K`` long, positions rising along the normal.
        affine: ``(4, 4)`` from ``(k, row, column, 1)`` to patient coordinates in mm; the third axis is the normal.
        drift_pixels: ``(2,)`` rows and columns by which each slice lies off the normal through the one before: 0 but
            for a tilted gantry.
        tilt_degrees: angle between the direction of the slices and their normal.
        steps: in words.
    """

    slices: tuple[SliceHeader, ...]
    affine: NDArray[np.float64]
    drift_pixels: tuple[float, float]
    tilt_degrees: float
    steps: tuple[str, ...]


def stacked(slices: Sequence[SliceHeader], *, name: str) -> Stack:
    """Sort the slices of a series by their position projected on the slice normal.

    Neither file names nor InstanceNumber are looked at.

    Args:
        slices: headers of one series, one for each position.
        name: the folder, for errors.

    Raises:
        VolumeError: if slices lack position, orientation or spacing, differ in size, spacing or orientation, are fewer
            than two, share a position, do not lie on one line, or have uneven gaps (missing slices are named).
    """
    _require_geometry(slices, name=name)
    rows, spacing_mm = slices[0].orientation, slices[0].spacing_mm
    assert rows is not None and spacing_mm is not None
    right, down = rows
    normal = np.cross(right, down)
    positions = np.stack([header.position for header in slices if header.position is not None])
    order = np.argsort(positions @ normal, kind="stable")
    positions, slices = positions[order], tuple(slices[i] for i in order)
    step, uneven = _even_step(positions @ normal, name=name)
    drift = _drift(positions, right=right, down=down, spacing_mm=spacing_mm, name=name)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([normal * step, down * spacing_mm[0], right * spacing_mm[1]], axis=1)
    affine[:3, 3] = positions[0]
    lean = float(np.hypot(drift[0] * spacing_mm[0], drift[1] * spacing_mm[1]))
    return Stack(
        slices=slices,
        affine=affine,
        drift_pixels=drift,
        tilt_degrees=float(np.degrees(np.arctan2(lean, step))),
        steps=(f"{len(slices)} slices sorted by position, {step:.4g} mm apart{uneven}",),
    )


def _require_geometry(slices: Sequence[SliceHeader], *, name: str) -> None:
    tags: tuple[tuple[str, Callable[[SliceHeader], object]], ...] = (
        ("ImagePositionPatient", lambda header: header.position),
        ("ImageOrientationPatient", lambda header: header.orientation),
        ("PixelSpacing", lambda header: header.spacing_mm),
    )
    for tag, value in tags:
        without = sum(value(header) is None for header in slices)
        if without:
            raise VolumeError(
                f"Every slice of a series states a valid {tag}, but {without} of {len(slices)} in {name} do not; "
                "export the series again from the scanner or the archive."
            )
    _require_same("size", Counter(f"{header.shape[0]} x {header.shape[1]} pixels" for header in slices), name=name)
    _require_same("pixel spacing", Counter(_spacing_words(header) for header in slices), name=name)
    _require_same("orientation", Counter(_orientation_words(header) for header in slices), name=name)
    if len(slices) < 2:
        raise VolumeError(f"A volume needs at least two slices, but {name} has one; give the whole series.")


def _spacing_words(header: SliceHeader) -> str:
    assert header.spacing_mm is not None
    return f"{header.spacing_mm[0]:.3f} x {header.spacing_mm[1]:.3f} mm"


def _orientation_words(header: SliceHeader) -> str:
    assert header.orientation is not None
    return "\\".join(f"{value + 0.0:.2f}" for value in header.orientation.round(2).ravel())


def _require_same(what: str, counts: Counter[str], *, name: str) -> None:
    if len(counts) > 1:
        found = ", ".join(f"{count} with {value}" for value, count in counts.most_common(_MOST_LISTED))
        raise VolumeError(
            f"The slices of one volume share their {what}, but those of {name} do not: {found}; "
            "take the files of the other reconstruction out of the folder."
        )


def _even_step(heights: NDArray[np.float64], *, name: str) -> tuple[float, str]:
    """Return the distance between slices; refuse gaps that differ."""
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    tolerance = max(_UNEVEN_MM, _UNEVEN_SHARE * usual)
    if gaps.min() <= _UNEVEN_MM / 2:
        shared = heights[1:][gaps <= _UNEVEN_MM / 2]
        raise VolumeError(
            f"Each position of a volume has one slice, but {name} has several different ones at {_positions(shared)} "
            "along the slice normal: two phases or reconstructions in one series; keep the files of one."
        )
    odd = np.abs(gaps - usual) > tolerance
    if odd.any():
        raise _uneven(heights, gaps, odd, usual=usual, tolerance=tolerance, name=name)
    step = float(heights[-1] - heights[0]) / len(gaps)
    spread = float(np.abs(gaps - step).max())
    return step, f" (gaps differ by up to {spread:.2g} mm)" if spread > 1e-3 else ""


def _uneven(
    heights: NDArray[np.float64],
    gaps: NDArray[np.float64],
    odd: NDArray[np.bool_],
    *,
    usual: float,
    tolerance: float,
    name: str,
) -> VolumeError:
    times = np.rint(gaps / usual)
    if ((times >= 1) & (np.abs(gaps - times * usual) <= tolerance * np.maximum(times, 1))).all():
        missing = np.concatenate([heights[i] + usual * np.arange(1, int(times[i])) for i in np.flatnonzero(odd)])
        return VolumeError(
            f"The slices of a volume lie {usual:.4g} mm apart throughout, but {len(missing)} of {name} are missing, at "
            f"{_positions(missing)} along the slice normal; fetch them again from the archive."
        )
    where = ", ".join(f"{gaps[i]:.4g} mm at {heights[i]:.1f} mm" for i in np.flatnonzero(odd)[:_MOST_LISTED])
    return VolumeError(
        f"The slices of a volume lie evenly apart, but in {name} the usual gap is {usual:.4g} mm and "
        f"{int(odd.sum())} of {len(gaps)} gaps differ: {where} along the slice normal; give the evenly spaced part, or "
        "resample the scan to even slices and save it as NIfTI."
    )


def _positions(heights: NDArray[np.float64]) -> str:
    words = ", ".join(f"{height:.1f}" for height in heights[:_MOST_LISTED])
    more = f" and {len(heights) - _MOST_LISTED} more" if len(heights) > _MOST_LISTED else ""
    return f"{words} mm{more}"


def _drift(
    positions: NDArray[np.float64],
    *,
    right: NDArray[np.float64],
    down: NDArray[np.float64],
    spacing_mm: tuple[float, float],
    name: str,
) -> tuple[float, float]:
    """Return the rows and columns by which each slice lies off the normal of the one before."""
    number = np.arange(len(positions))
    in_plane = np.stack([(positions - positions[0]) @ down, (positions - positions[0]) @ right], axis=1)
    pixels = in_plane / np.array(spacing_mm)
    each = pixels[-1] / number[-1]
    off = np.abs(pixels - number[:, None] * each).max()
    if off > 0.5:
        raise VolumeError(
            f"The slices of a volume lie on one straight line, but in {name} one lies {off:.1f} pixels beside it; "
            "the table or the field of view moved between slices: give the series in parts."
        )
    if np.abs(pixels[-1]).max() < 0.1:
        return 0.0, 0.0
    return float(each[0]), float(each[1])
