"""Make ``attenuation.npz``: X-ray spectra and mass attenuation coefficients, 16 to 85 keV.

Run ``python attenuation_asset.py --out xattn_bmd/simulate/assets/attenuation.npz``.

Spectra: SpekPy 2 (MIT), tungsten anode 12 degrees, 2.5 mm Al + 0.1 mm Cu, at 70, 75, 80 and 85 kVp, normalised to
one photon.
Coefficients: XrayDB (public domain; Elam, Ravel and Sieber 2002, total cross-section), elemental compositions of
ICRU report 44 for muscle and adipose tissue, and stoichiometric hydroxyapatite for bone mineral.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import spekpy
import xraydb

KVP = (70, 75, 80, 85)
ENERGY_KEV = np.arange(16.0, 86.0, 1.0)
MUSCLE = {"H": 0.102, "C": 0.143, "N": 0.034, "O": 0.710, "Na": 0.001, "P": 0.002, "S": 0.003, "Cl": 0.001, "K": 0.004}
FAT = {"H": 0.114, "C": 0.598, "N": 0.007, "O": 0.278, "Na": 0.001, "S": 0.001, "Cl": 0.001}
ATOMS = {"Ca": 10, "P": 6, "O": 26, "H": 2}


def main() -> None:
    """Compute the tables and write the asset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    total = sum(n * xraydb.atomic_mass(e) for e, n in ATOMS.items())
    apatite = {e: n * xraydb.atomic_mass(e) / total for e, n in ATOMS.items()}
    np.savez_compressed(
        arguments.out,
        energy_kev=ENERGY_KEV.astype(np.float32),
        kvp=np.array(KVP),
        spectra=np.stack([_spectrum(kvp) for kvp in KVP]).astype(np.float32),
        mineral_cm2_g=_coefficient(apatite),
        muscle_cm2_g=_coefficient(MUSCLE),
        fat_cm2_g=_coefficient(FAT),
    )
    data = np.load(arguments.out)
    for name in ("mineral_cm2_g", "muscle_cm2_g", "fat_cm2_g"):
        print(name, "at 30, 50, 60 keV:", data[name][[14, 34, 44]])


def _spectrum(kvp: int) -> np.ndarray:
    tube = spekpy.Spek(kvp=kvp, th=12, dk=0.5)
    tube.filter("Al", 2.5).filter("Cu", 0.1)
    energy, fluence = tube.get_spectrum()
    values = np.interp(ENERGY_KEV, energy, fluence, right=0.0)
    return values / values.sum()


def _coefficient(fractions: dict[str, float]) -> np.ndarray:
    scale = 1 / sum(fractions.values())
    return sum(
        scale * share * xraydb.mu_elam(element, ENERGY_KEV * 1000, kind="total") for element, share in fractions.items()
    ).astype(np.float32)


if __name__ == "__main__":
    main()
