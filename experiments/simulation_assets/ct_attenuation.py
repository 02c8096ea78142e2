"""Print the tables of ``xattn_bmd/simulate/ct/attenuation.py``: HU of tissues and of bone mineral by tube voltage.

Run ``python ct_attenuation.py`` with spekpy and xraydb installed.

Spectra: SpekPy 2 (MIT), tungsten anode 8 degrees, 7 mm aluminium, behind 25 cm of water, energy-integrating detector.
Coefficients: XrayDB (public domain; Elam, Ravel and Sieber 2002, total cross-section), compositions and densities of
ICRU report 44 for the tissues; collagen and hydroxyapatite by stoichiometry.
"""

from __future__ import annotations

import numpy as np
import spekpy
import xraydb

ENERGY_KEV = np.arange(20.0, 141.0, 1.0)
MUSCLE = {"H": 0.102, "C": 0.143, "N": 0.034, "O": 0.710, "Na": 0.001, "P": 0.002, "S": 0.003, "Cl": 0.001, "K": 0.004}
FAT = {"H": 0.114, "C": 0.598, "N": 0.007, "O": 0.278, "Na": 0.001, "S": 0.001, "Cl": 0.001}
RED = {"H": 0.105, "C": 0.414, "N": 0.034, "O": 0.439, "P": 0.001, "S": 0.002, "Cl": 0.002, "K": 0.002, "Fe": 0.001}
YELLOW = {"H": 0.115, "C": 0.644, "N": 0.007, "O": 0.231, "Na": 0.001, "S": 0.001, "Cl": 0.001}
BLOOD = {"H": 0.102, "C": 0.11, "N": 0.033, "O": 0.745, "Na": 0.001, "P": 0.001, "S": 0.002, "Cl": 0.003, "K": 0.002,
         "Fe": 0.001}  # fmt: skip
COLLAGEN = {"H": 0.0647, "C": 0.5144, "N": 0.1741, "O": 0.2468}
TISSUES = {
    "muscle": (1.05, MUSCLE),
    "fat": (0.95, FAT),
    "red_marrow": (1.03, RED),
    "yellow_marrow": (0.98, YELLOW),
    "blood": (1.06, BLOOD),
    "collagen": (1.41, COLLAGEN),
}
WATER = {"H": 0.1119, "O": 0.8881}
APATITE_ATOMS, APATITE_DENSITY = {"Ca": 10, "P": 6, "O": 26, "H": 2}, 3.16


def main() -> None:
    """Print HU of each tissue, and HU for each mg/cm3 of hydroxyapatite that takes the place of water."""
    total = sum(count * xraydb.atomic_mass(element) for element, count in APATITE_ATOMS.items())
    apatite = {element: count * xraydb.atomic_mass(element) / total for element, count in APATITE_ATOMS.items()}
    for kvp in (80, 100, 120, 140):
        weight = _signal(kvp)
        water = (weight * _coefficient(WATER)).sum()
        tissues = {
            name: round(1000 * (density * (weight * _coefficient(parts)).sum() / water - 1), 1)
            for name, (density, parts) in TISSUES.items()
        }
        mineral = (weight * _coefficient(apatite)).sum() / water - 1 / APATITE_DENSITY
        print(kvp, tissues, f"mineral {mineral:.4f} HU per mg/cm3")


def _signal(kvp: int) -> np.ndarray:
    tube = spekpy.Spek(kvp=kvp, th=8, dk=0.5)
    tube.filter("Al", 7.0).filter("Water", 250)
    energy, fluence = tube.get_spectrum()
    values = np.interp(ENERGY_KEV, energy, fluence, left=0.0, right=0.0) * ENERGY_KEV
    return values / values.sum()


def _coefficient(fractions: dict[str, float]) -> np.ndarray:
    scale = 1 / sum(fractions.values())
    return sum(
        scale * share * xraydb.mu_elam(element, ENERGY_KEV * 1000, kind="total") for element, share in fractions.items()
    )


if __name__ == "__main__":
    main()
