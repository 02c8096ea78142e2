"""The rods of a calibration phantom, found in a volume by the pattern that they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.calibration import HU_PER_DENSITY
from xattn_bmd.bone.phantom import CalibrationPhantom
from xattn_bmd.errors import VolumeError
from xattn_bmd.types import Volume

_INNER = 0.65
"""Share of a rod's radius whose voxels count: the rest is blurred, or missed where the phantom is turned a little."""

_RING = (1.3, 1.75)
_MOST_RESIDUAL_HU, _MOST_SPREAD_HU, _MOST_WATER_HU = 12.0, 15.0, 100.0
_CONTRAST = 0.5
_TIE_HU2 = 1.0
_MOST_SLICES = 120

Image = NDArray[np.float64]


@dataclass(frozen=True)
class FoundRods:
    """Rods of a phantom in a volume, in the order of its densities.

    Attributes:
        hu: ``(R,)`` mean HU.
        row: of their axes.
        columns: ``(R,)`` of their axes.
        residual_hu: root mean square distance of their HU from a line over density.
    """

    hu: tuple[float, ...]
    row: int
    columns: tuple[int, ...]
    residual_hu: float


def find_rods(volume: Volume, phantom: CalibrationPhantom, *, slices: tuple[int, int] | None = None) -> FoundRods:
    """Find a phantom by its rods: even discs, evenly spaced along a row, whose HU rise in a line with their density.

    Slices are averaged, for rods run along the table.  A phantom that lies the other way round is found as well.

    Args:
        volume: HU.
        phantom: which one.
        slices: first and last but one to use, as those that show the vertebrae; None takes all.

    Raises:
        VolumeError: where no such pattern is found.

    Example:
        >>> from xattn_bmd.bone.phantom import HA_PHANTOM
        >>> hu = np.full((2, 40, 100), -50.0, dtype=np.float32)
        >>> y, x = np.ogrid[:40, :100]
        >>> for place, density in zip((20, 40, 60, 80), HA_PHANTOM.densities):
        ...     hu[:, (y - 25) ** 2 + (x - place) ** 2 <= 25] = 1.3 * density
        >>> volume = Volume(hu, spacing_mm=(3.0, 2.0, 2.0), affine=np.eye(4), steps=())
        >>> find_rods(volume, HA_PHANTOM).columns
        (20, 40, 60, 80)
    """
    mean = _mean_slice(volume, slices)
    pixel = volume.spacing_mm[1:]
    inner = _kernel(pixel, 0.0, _INNER * phantom.radius_mm)
    discs = _filtered(mean, inner)
    spread = np.sqrt(np.maximum(_filtered(mean * mean, inner) - discs * discs, 0))
    ring = _kernel(pixel, _RING[0] * phantom.radius_mm, _RING[1] * phantom.radius_mm)
    found = [
        _best(mean, discs, spread, ring, densities, phantom.spacing_mm / pixel[1])
        for densities in (phantom.densities, phantom.densities[::-1])
    ]
    score, rods = min(found, key=lambda one: one[0])
    if rods is None or not np.isfinite(score):
        rods_ = ", ".join(f"{density:g}" for density in phantom.densities)
        raise VolumeError(
            f"A calibrated density needs the phantom {phantom.name} in the field (rods of {rods_} mg/cm³, "
            f"{phantom.spacing_mm:g} mm apart), but it was not found; give a scan that shows it, state the phantom "
            "that was used, or choose the uncalibrated density."
        )
    if found[1][0] < found[0][0]:
        return FoundRods(rods.hu[::-1], rods.row, rods.columns[::-1], rods.residual_hu)
    return rods


def _mean_slice(volume: Volume, slices: tuple[int, int] | None) -> Image:
    """Return the mean of at most 120 slices, ``(H, W)``."""
    first, stop = slices or (0, volume.voxels.shape[0])
    if not 0 <= first < stop <= volume.voxels.shape[0]:
        raise VolumeError(
            f"Slices run from 0 to {volume.voxels.shape[0]}, but {first} to {stop} was asked for; correct them."
        )
    step = -(-(stop - first) // _MOST_SLICES)
    total = np.zeros(volume.voxels.shape[1:], dtype=np.float64)
    chosen = range(first, stop, step)
    for number in chosen:
        total += volume.voxels[number]
    return total / len(chosen)


def _kernel(pixel: tuple[float, float], inner_mm: float, outer_mm: float) -> Image:
    """Return a ring, or a disc, of sum 1."""
    half = [int(outer_mm / side) for side in pixel]
    y, x = np.ogrid[-half[0] : half[0] + 1, -half[1] : half[1] + 1]
    away = np.hypot(y * pixel[0], x * pixel[1])
    ring = ((away >= inner_mm) & (away <= outer_mm)).astype(np.float64)
    kernel: Image = ring / max(float(ring.sum()), 1.0)
    return kernel


def _filtered(image: Image, kernel: Image) -> Image:
    from scipy.signal import fftconvolve

    padded = np.pad(image, [(side // 2, side // 2) for side in kernel.shape], mode="edge")
    filtered: Image = fftconvolve(padded, kernel, mode="valid")
    return filtered


def _best(
    mean: Image, discs: Image, spread: Image, ring: Image, densities: tuple[float, ...], spacing: float
) -> tuple[float, FoundRods | None]:
    """Return score and rods of the best place of the pattern; infinity where none fits."""
    offsets = [round(number * spacing) for number in range(len(densities))]
    width = discs.shape[1] - offsets[-1]
    if width < 1:
        return np.inf, None
    read, even = (np.stack([part[:, offset : offset + width] for offset in offsets]) for part in (discs, spread))
    known = np.asarray(densities)
    apart = known - known.mean()
    steep = np.einsum("r,rhw->hw", apart, read) / (apart @ apart)
    water = read.mean(axis=0) - steep * known.mean()
    residual = np.sqrt(np.mean((read - water - steep * known[:, None, None]) ** 2, axis=0))
    worst = even.max(axis=0)
    fits = (steep >= 0.9 * HU_PER_DENSITY[0]) & (steep <= HU_PER_DENSITY[1]) & (np.abs(water) <= _MOST_WATER_HU)
    fits &= (residual <= _MOST_RESIDUAL_HU) & (worst <= _MOST_SPREAD_HU)
    highest = int(np.argmax(known))
    limit = read[highest] - _CONTRAST * steep * np.ptp(known)
    fits[fits] = _highest_around(mean, ring, *np.nonzero(fits), shift=offsets[highest]) < limit[fits]
    if not fits.any():
        return np.inf, None
    score = np.where(fits, residual**2 + (even**2).mean(axis=0), np.inf)
    best = float(score.min())
    row, column = _middle(score <= best + _TIE_HU2, np.unravel_index(int(np.argmin(score)), score.shape))
    rods = FoundRods(
        hu=tuple(read[:, row, column].tolist()),
        row=row,
        columns=tuple(column + offset for offset in offsets),
        residual_hu=float(residual[row, column]),
    )
    return best, rods


def _highest_around(
    mean: Image, ring: Image, rows: NDArray[np.intp], columns: NDArray[np.intp], *, shift: int
) -> Image:
    """Return the highest HU on a ring around each place, ``(K,)``: a rod stands out on all sides, a band does not."""
    down, right = np.nonzero(ring)
    at_row = np.clip(rows[:, None] + down - ring.shape[0] // 2, 0, mean.shape[0] - 1)
    at_column = np.clip(columns[:, None] + shift + right - ring.shape[1] // 2, 0, mean.shape[1] - 1)
    highest: Image = mean[at_row, at_column].max(axis=1)
    return highest


def _middle(good: NDArray[np.bool_], at: tuple[np.intp, ...]) -> tuple[int, int]:
    """Return the middle of the good places that hang together with one of them: the pattern fits over some pixels."""
    from scipy.ndimage import label

    pieces, _ = label(good)
    rows, columns = np.nonzero(pieces == pieces[at])
    return round(float(rows.mean())), round(float(columns.mean()))
