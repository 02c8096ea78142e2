"""The line from Hounsfield units to mineral density, fitted to the rods of a calibration phantom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xattn_bmd.errors import VolumeError

HU_PER_DENSITY = (0.9, 2.4)
"""HU for each mg/cm³ that a scanner can show: hydroxyapatite 1.19 at 140 kVp to 1.85 at 80 kVp, potassium phosphate
about a tenth less, with room for errors of the scanner."""

_WATER_HU = 100.0
"""How far from 0 HU a density of 0 may read."""

_READY = 0.03
"""Rods whose slope is this near to 1 read their own density: the values are no longer HU."""


@dataclass(frozen=True)
class DensityLine:
    """Density = ``slope`` * HU + ``intercept``, mg/cm³.

    Attributes:
        slope: mg/cm³ for each HU.
        intercept: mg/cm³ at 0 HU.
        residual: root mean square distance of the rods from the line, mg/cm³; NaN where no rod was measured.
    """

    slope: float
    intercept: float
    residual: float

    def density(self, hu: float) -> float:
        """Return mg/cm³ of a mean HU.

        Example:
            >>> DensityLine(0.75, -3.0, 0.0).density(100.0)
            72.0
        """
        return self.slope * hu + self.intercept


NOMINAL_LINE = DensityLine(slope=1 / 1.328, intercept=0.0, residual=math.nan)
"""Hydroxyapatite in water at 120 kVp behind 25 cm of water (computed from attenuation coefficients): what is assumed
of a scanner where no phantom tells."""


def fit_density_line(hu: Sequence[float], densities: Sequence[float]) -> DensityLine:
    """Fit a line by least squares of HU on density, as rods have errors in HU only, and turn it round.

    Args:
        hu: ``(R,)`` mean HU of each rod.
        densities: ``(R,)`` its density, mg/cm³.

    Raises:
        VolumeError: for fewer than two different densities, rods that read their own density (the values are mg/cm³
            already), or a line that no scanner has.

    Example:
        >>> line = fit_density_line([5.0, 70.0, 135.0, 265.0], [0.0, 50.0, 100.0, 200.0])
        >>> round(line.density(135.0), 6), round(line.residual, 6)
        (100.0, 0.0)
    """
    read, known = np.asarray(hu, dtype=np.float64), np.asarray(densities, dtype=np.float64)
    if len(read) != len(known) or len(np.unique(known)) < 2 or not np.isfinite(read).all():
        raise VolumeError(
            f"A calibration needs the HU of rods of two densities or more, but {len(read)} readings of densities "
            f"{known.tolist()} were given; state a phantom with several rods."
        )
    apart = known - known.mean()
    steep = float(apart @ read / (apart @ apart))
    water = float(read.mean() - steep * known.mean())
    _require_plausible(steep, water)
    off = read - (water + steep * known)
    return DensityLine(1 / steep, -water / steep, float(np.sqrt(np.mean(off**2))) / steep)


def _require_plausible(steep: float, water: float) -> None:
    low, high = HU_PER_DENSITY
    if abs(steep - 1) < _READY and abs(water) < 5:
        raise VolumeError(
            f"Density is computed from HU, but the rods read their own density ({steep:.2f} for each mg/cm³): the "
            "volume holds mg/cm³ already; give the scan before calibration."
        )
    if not low <= steep <= high or abs(water) > _WATER_HU:
        raise VolumeError(
            f"Rods read {low} to {high} HU for each mg/cm³ and within {_WATER_HU:.0f} HU of 0 without mineral, but "
            f"these read {steep:.2f} and {water:.0f} HU: another phantom, or other units than HU; state the phantom "
            "that was scanned."
        )
