"""Calibration phantoms: rods of known mineral density that lie under the patient."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CalibrationPhantom:
    """Rods parallel to the table, side by side in a slab of water-equivalent plastic.

    Attributes:
        name: as written in outputs.
        densities: mg/cm³ of each rod, from the patient's right to the left.
        spacing_mm: distance between the axes of two neighbouring rods.
        radius_mm: of a rod.
    """

    name: str
    densities: tuple[float, ...]
    spacing_mm: float
    radius_mm: float


HA_PHANTOM = CalibrationPhantom(
    name="ha_0_50_100_200", densities=(0.0, 50.0, 100.0, 200.0), spacing_mm=40.0, radius_mm=10.0
)
"""Calcium hydroxyapatite at 0, 50, 100 and 200 mg/cm³, the densities of a widespread commercial phantom (Image
Analysis; 50, 100 and 200 are those of the European Spine Phantom as well).  Spacing and radius are assumed; for another
phantom state its own."""
