"""Polyenergetic Beer-Lambert attenuation, scatter, automatic exposure, quantum noise and detector blur."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.assets import load_arrays

Image = NDArray[np.float32]
MUSCLE_G_CM3 = 1.05
FAT_G_CM3 = 0.95
_GROUPS = 8
_REFERENCE_MUSCLE_G_CM2 = 17.0


@dataclass(frozen=True)
class Spectrum:
    """An X-ray spectrum in a few energy groups, with the mass attenuation of each material, cm²/g.

    Attributes:
        weight: ``(G,)`` share of the unattenuated detector signal; sums to about 1.
        mineral: ``(G,)`` bone mineral (hydroxyapatite).
        muscle: ``(G,)`` skeletal muscle.
        fat: ``(G,)`` adipose tissue.
    """

    weight: NDArray[np.float64]
    mineral: NDArray[np.float64]
    muscle: NDArray[np.float64]
    fat: NDArray[np.float64]


def full_spectrum(kvp: int) -> Spectrum:
    """Return the stored spectrum at every keV, as seen by an energy-integrating detector.

    Raises:
        SimulationError: where no spectrum is stored for that tube voltage.
    """
    stored = load_arrays("attenuation.npz")
    voltages = stored["kvp"].tolist()
    if kvp not in voltages:
        raise SimulationError(f"The tube voltage must be one of {voltages} kVp, but it is {kvp}; choose one of these.")
    signal = stored["spectra"][voltages.index(kvp)].astype(np.float64) * stored["energy_kev"]
    kept = signal > 0
    materials = (stored[f"{name}_cm2_g"].astype(np.float64)[kept] for name in ("mineral", "muscle", "fat"))
    return Spectrum(signal[kept] / signal.sum(), *materials)


@functools.cache
def grouped_spectrum(kvp: int) -> Spectrum:
    """Return the spectrum in 8 groups that agree exactly with the full one behind 16 cm of muscle.

    Groups hold equal signal there, so that a beam hardened by the body is resolved where it matters.
    """
    full = full_spectrum(kvp)
    behind = full.weight * np.exp(-full.muscle * _REFERENCE_MUSCLE_G_CM2)
    share = np.cumsum(behind) / behind.sum()
    group = np.minimum((share * _GROUPS - 1e-9).astype(int), _GROUPS - 1)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        total: NDArray[np.float64] = np.bincount(group, behind * values, _GROUPS) / np.bincount(group, behind, _GROUPS)
        return total

    muscle = mean(full.muscle)
    weight = np.exp(muscle * _REFERENCE_MUSCLE_G_CM2) * np.bincount(group, behind, _GROUPS).astype(np.float64)
    return Spectrum(weight, mean(full.mineral), muscle, mean(full.fat))


def transmit(*, mineral: Image, muscle: Image, fat: Image, spectrum: Spectrum) -> Image:
    """Return the share of the detector signal that passes: sum over energies of weight * exp(-sum of mu * mass).

    Args:
        mineral: ``(H, W)`` areal density of bone mineral, g/cm².
        muscle: ``(H, W)`` path through muscle, mm.
        fat: ``(H, W)`` path through fat, mm.
        spectrum: from :func:`grouped_spectrum` or :func:`full_spectrum`.

    Example:
        >>> one = Spectrum(*(np.array([value]) for value in (1.0, 0.5, 0.2, 0.2)))
        >>> zero = np.zeros((1, 1), np.float32)
        >>> round(float(transmit(mineral=zero + 2, muscle=zero, fat=zero, spectrum=one)[0, 0]), 4)
        0.3679
    """
    passed = np.zeros_like(mineral)
    for weight, mu_mineral, mu_muscle, mu_fat in zip(
        spectrum.weight, spectrum.mineral, spectrum.muscle, spectrum.fat, strict=True
    ):
        exponent = mineral * np.float32(-mu_mineral)
        exponent -= muscle * np.float32(mu_muscle * MUSCLE_G_CM3 / 10)
        exponent -= fat * np.float32(mu_fat * FAT_G_CM3 / 10)
        passed += np.float32(weight) * np.exp(exponent, out=exponent)
    return passed


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How one picture is taken.

    Attributes:
        photons: mean detected quanta per mm² in the measuring field of the automatic exposure.
        scatter_to_primary: behind 20 cm of tissue and the grid.
        blur_mm: SD of the detector's point spread.
        heel: relative change of the beam from the top to the bottom of the picture.
    """

    photons: float
    scatter_to_primary: float
    blur_mm: float
    heel: float


def expose(
    rng: np.random.Generator, primary: Image, *, depth_mm: Image, field: Image, spacing_mm: float, exposure: Exposure
) -> Image:
    """Return detected quanta per pixel ``(H, W)``, in the unit where the measuring field has mean 1.

    The measuring field is the central ninth of the picture; its mean is fixed, so absolute intensity says nothing about
    the patient. Poisson noise is drawn as normal deviates (counts are in the hundreds and above).

    Args:
        rng: the only source of randomness.
        primary: transmitted share of the beam.
        depth_mm: thickness of the body, which sets the share of scatter.
        field: 1 inside the collimated field, falling to 0 outside.
        spacing_mm: pixel pitch.
        exposure: the settings.
    """
    height, width = primary.shape
    lit = primary * field * (1 + exposure.heel * np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None])
    ratio = exposure.scatter_to_primary * np.clip(depth_mm / 200.0, 0.05, 2.0) ** 1.5
    detected = lit + _spread(lit * ratio, sigma=35.0 / spacing_mm)
    middle = detected[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    detected = gaussian_filter(detected / middle.mean(), exposure.blur_mm / spacing_mm)
    quanta = exposure.photons * spacing_mm**2
    noise = rng.standard_normal(primary.shape, dtype=np.float32) * np.sqrt(np.maximum(detected, 1e-4) / quanta)
    noise = gaussian_filter(noise, 0.45)
    counted: Image = np.maximum(detected + noise, 1.0 / quanta).astype(np.float32)
    return counted


def _spread(image: Image, *, sigma: float) -> Image:
    """Return a wide Gaussian blur, made on a picture 8 times smaller."""
    return smooth_coarsely(image, sigma=sigma, step=8)


def smooth_coarsely(image: Image, *, sigma: float, step: int) -> Image:
    """Return a wide Gaussian blur ``(H, W)``, made on block means of ``step`` pixels and enlarged linearly."""
    height, width = image.shape
    pad = ((0, -height % step), (0, -width % step))
    padded = np.pad(image, pad, mode="edge")
    blocks = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step).mean(axis=(1, 3))
    soft = gaussian_filter(blocks, sigma / step, mode="nearest")
    large: Image = zoom(soft, step, order=1, grid_mode=True, mode="nearest")
    return large[:height, :width]
