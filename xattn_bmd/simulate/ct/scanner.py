"""CT scanners: what each does to a volume, and the image that leaves it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter

from xattn_bmd.simulate.ct.attenuation import Kvp
from xattn_bmd.simulate.ct.grid import Grid, Values

STORED_RANGE = (-1024, 3071)


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """One scanner with its protocol for the abdomen.

    Attributes:
        name: made up.
        kvp: tube voltage.
        slice_mm: thickness and distance of the slices.
        field_mm: side of the square field around the spine.
        blur_mm: SD of the point spread in the slice.
        edge: share by which a kernel enhances edges.
        noise_hu: SD of the noise at a body mass index of 25 in slices of 3 mm.
        grain_mm: correlation length of the noise; smaller for sharp kernels.
        slope: factor on HU; 1 is faultless.
        offset: HU added.
        cupping_hu: by how much the middle of a body of index 25 reads too low: beam hardening and scatter.
    """

    name: str
    kvp: Kvp
    slice_mm: float
    field_mm: float
    blur_mm: float
    edge: float
    noise_hu: float
    grain_mm: float
    slope: float
    offset: float
    cupping_hu: float


SCANNERS: dict[str, Scanner] = {
    scanner.name: scanner
    for scanner in (
        Scanner(
            name="scanner_a", kvp=120, slice_mm=3.0, field_mm=240.0, blur_mm=0.75, edge=0.0, noise_hu=13.0,
            grain_mm=1.1, slope=1.0, offset=0.0, cupping_hu=2.0,
        ),
        Scanner(
            name="scanner_b", kvp=120, slice_mm=2.0, field_mm=256.0, blur_mm=0.50, edge=0.6, noise_hu=22.0,
            grain_mm=0.7, slope=1.02, offset=-6.0, cupping_hu=3.0,
        ),
        Scanner(
            name="scanner_c", kvp=140, slice_mm=5.0, field_mm=250.0, blur_mm=1.10, edge=0.0, noise_hu=11.0,
            grain_mm=1.6, slope=0.98, offset=4.0, cupping_hu=2.5,
        ),
        Scanner(
            name="scanner_d", kvp=100, slice_mm=2.5, field_mm=230.0, blur_mm=0.65, edge=0.25, noise_hu=18.0,
            grain_mm=0.9, slope=1.01, offset=5.0, cupping_hu=3.5,
        ),
        Scanner(
            name="scanner_e", kvp=80, slice_mm=3.75, field_mm=245.0, blur_mm=0.85, edge=0.1, noise_hu=24.0,
            grain_mm=1.2, slope=0.985, offset=-4.0, cupping_hu=5.0,
        ),
    )
}  # fmt: skip
"""``scanner_a`` is the training hospital's, the four others are external.  Settings are assumptions within usual
ranges: 80 to 140 kVp, slices of 2 to 5 mm, CT numbers of water within a few HU."""

_DAY = (0.004, 1.5)
"""SD of slope and offset from scan to scan: the drift that a phantom in the field takes out."""


@dataclass(frozen=True)
class Reading:
    """How one scan reads HU.

    Attributes:
        slope: factor.
        offset: HU added.
        noise_hu: SD of the noise, HU.
        cupping_hu: by how much the middle reads too low.
    """

    slope: float
    offset: float
    noise_hu: float
    cupping_hu: float


def sample_reading(rng: np.random.Generator, scanner: Scanner, *, bmi: float, slice_mm: float) -> Reading:
    """Draw how one scan reads HU; noise and cupping grow with the patient.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> lean, heavy = (sample_reading(rng, SCANNERS["scanner_a"], bmi=bmi, slice_mm=3.0) for bmi in (20, 38))
        >>> heavy.noise_hu > lean.noise_hu
        True
    """
    excess = float(np.clip(bmi, 16, 45)) - 25.0
    return Reading(
        slope=scanner.slope * (1 + _DAY[0] * float(rng.standard_normal())),
        offset=scanner.offset + _DAY[1] * float(rng.standard_normal()),
        noise_hu=scanner.noise_hu * math.sqrt(3.0 / slice_mm) * math.exp(0.045 * excess + 0.12 * rng.standard_normal()),
        cupping_hu=scanner.cupping_hu * math.exp(0.05 * excess),
    )


def take(
    rng: np.random.Generator,
    hu: Values,
    *,
    grid: Grid,
    scanner: Scanner,
    reading: Reading,
    middle_mm: tuple[float, float],
    body_mm: float,
) -> np.ndarray[tuple[int, int, int], np.dtype[np.int16]]:
    """Return the volume as the scanner stores it, whole HU from -1024 to 3071.

    Args:
        rng: draws the noise.
        hu: ``(D, H, W)`` true HU.
        grid: where the voxels lie.
        scanner: kernel and grain.
        reading: slope, offset, noise and cupping of this scan.
        middle_mm: x and y of the middle of the body.
        body_mm: radius of the body.
    """
    pixel = grid.spacing_mm[1]
    sharp = gaussian_filter(hu, (0, scanner.blur_mm / pixel, scanner.blur_mm / pixel))
    if scanner.edge:
        wide = 2.2 * scanner.blur_mm / pixel
        sharp *= np.float32(1 + scanner.edge)
        sharp -= np.float32(scanner.edge) * gaussian_filter(hu, (0, wide, wide))
    away = np.square(grid.x[None, :] - np.float32(middle_mm[0])) + np.square(grid.y[:, None] - np.float32(middle_mm[1]))
    inside = np.clip(1 - away / np.float32(body_mm**2), 0, 1)
    sharp -= np.float32(reading.cupping_hu) * inside
    sharp *= np.float32(reading.slope)
    sharp += np.float32(reading.offset)
    sharp += _noise(rng, grid, grain_mm=scanner.grain_mm) * (np.float32(reading.noise_hu) * (0.6 + 0.5 * inside))
    np.rint(sharp, out=sharp)
    return np.clip(sharp, *STORED_RANGE, out=sharp).astype(np.int16)


def _noise(rng: np.random.Generator, grid: Grid, *, grain_mm: float) -> Values:
    """Return unit noise ``(D, H, W)`` with the spectrum of filtered back-projection: a ramp cut off by the kernel."""
    depth, height, width = grid.shape
    white = rng.standard_normal((depth, height, width), dtype=np.float32)
    pixel = grid.spacing_mm[1]
    frequency = np.hypot(fft.fftfreq(height, pixel)[:, None], fft.rfftfreq(width, pixel)[None, :])
    power = frequency * np.exp(-np.square(2 * frequency * grain_mm))
    gain = np.sqrt(power)
    full = np.concatenate([gain, gain[:, 1 : (width + 1) // 2]], axis=1)
    gain = (gain / np.sqrt(np.mean(np.square(full)))).astype(np.float32)
    spectrum = fft.rfft2(white, axes=(1, 2))
    spectrum *= gain
    coloured: Values = fft.irfft2(spectrum, s=(height, width), axes=(1, 2))
    return coloured
