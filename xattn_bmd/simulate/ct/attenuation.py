"""Hounsfield units of tissues by tube voltage, and of trabecular bone as a mixture of mineral, collagen and marrow.

Computed with SpekPy 2 (tungsten anode, 8 degrees, 7 mm aluminium) behind 25 cm of water and with XrayDB (Elam, Ravel
and Sieber 2002), compositions and densities of ICRU report 44; collagen and hydroxyapatite by stoichiometry.  The
script is ``experiments/simulation_assets/ct_attenuation.py``.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.simulate.dxa import CORTICAL_MINERAL

Kvp = Literal[80, 100, 120, 140]
Tissue = Literal["muscle", "fat", "red_marrow", "yellow_marrow", "blood", "collagen"]
Amount = TypeVar("Amount", float, NDArray[np.float32])

TISSUE_HU: dict[Kvp, dict[Tissue, float]] = {
    80: {"muscle": 45.2, "fat": -96.3, "red_marrow": 3.2, "yellow_marrow": -71.1, "blood": 60.6, "collagen": 292.4},
    100: {"muscle": 43.9, "fat": -84.3, "red_marrow": 8.1, "yellow_marrow": -57.7, "blood": 57.9, "collagen": 307.2},
    120: {"muscle": 43.1, "fat": -77.2, "red_marrow": 11.0, "yellow_marrow": -49.8, "blood": 56.3, "collagen": 315.9},
    140: {"muscle": 42.6, "fat": -72.3, "red_marrow": 13.1, "yellow_marrow": -44.3, "blood": 55.2, "collagen": 321.9},
}
"""HU of each pure tissue."""

MINERAL_HU: dict[Kvp, float] = {80: 1.8534, 100: 1.5232, 120: 1.3281, 140: 1.1931}
"""HU for each mg/cm³ of hydroxyapatite that takes the place of water; a phantom's rods lie on this line."""

QCT_KVP: Kvp = 120
"""Voltage at which the reference density is defined."""

_COLLAGEN_SHARE = 0.35
"""Share of the volume of bone tissue that is collagen.  ASSUMED."""


def bone_hu(mineral: Amount, *, fat_share: float, kvp: Kvp) -> Amount:
    """Return HU of bone: mineral and collagen in their tissue, marrow in the rest.

    Yellow marrow attenuates less than red, so that fat lowers HU at equal mineral: the error of single-energy QCT.

    Args:
        mineral: hydroxyapatite, mg/cm³ of the whole.
        fat_share: share of the marrow that is yellow.
        kvp: tube voltage.

    Example:
        >>> [round(bone_hu(100.0, fat_share=share, kvp=120)) for share in (0.0, 1.0)]
        [153, 98]
    """
    tissue = TISSUE_HU[kvp]
    marrow = fat_share * tissue["yellow_marrow"] + (1 - fat_share) * tissue["red_marrow"]
    per_mineral = MINERAL_HU[kvp] + (_COLLAGEN_SHARE * tissue["collagen"] - marrow) / (1000 * CORTICAL_MINERAL)
    return marrow + mineral * per_mineral


def qct_density(mineral: Amount, *, fat_share: float) -> Amount:
    """Return what faultless single-energy QCT at 120 kVp reads, mg/cm³ hydroxyapatite.

    Args:
        mineral: hydroxyapatite, mg/cm³.
        fat_share: share of the marrow that is yellow.

    Example:
        >>> round(qct_density(100.0, fat_share=0.5), 1)
        94.7
    """
    return bone_hu(mineral, fat_share=fat_share, kvp=QCT_KVP) / MINERAL_HU[QCT_KVP]


def mineral_for(density: float, *, fat_share: float) -> float:
    """Return the mineral, mg/cm³, that faultless QCT reads as ``density``.

    Example:
        >>> round(qct_density(mineral_for(80.0, fat_share=0.6), fat_share=0.6), 6)
        80.0
    """
    empty, unit = (qct_density(mineral, fat_share=fat_share) for mineral in (0.0, 1.0))
    return (density - empty) / (unit - empty)
