"""The institutions whose chests can be simulated: their people, and how they take and process radiographs.

Chest radiographs are usually taken at 110-125 kVp.  Spectra are stored for 70-85 kVp, so that both institutions use the
highest ones: bone stands out more than on a usual chest radiograph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xattn_bmd.simulate.presets import Preset
from xattn_bmd.simulate.site import Site

ChestPresetName = Literal["chest", "chest_external"]


@dataclass(frozen=True, kw_only=True)
class ChestPreset:
    """One institution.

    Attributes:
        letter: first letter of the ids of its radiographs and patients.
        people: ages, share of women and weights of its patients.
        site: how it exposes, processes and stores.
    """

    letter: str
    people: Preset
    site: Site


CHEST_PRESETS: dict[ChestPresetName, ChestPreset] = {
    "chest": ChestPreset(
        letter="C",
        people=Preset(age_range=(50.0, 85.0), age_beta=(1.7, 1.5), female_share=0.55, sites=("chest_a",)),
        site=Site(
            name="chest_a", kvp=(85,), photons=5200.0, scatter_to_primary=0.30, blur_mm=0.30, field_mm=426.0,
            margin_mm=(0.0, 7.0), latitude=2.6, steepness=3.3, edge=0.45, equalise=0.30,
            photometric="MONOCHROME2", shutter=True, stored_range=(0, 4095),
        ),
    ),
    "chest_external": ChestPreset(
        letter="X",
        people=Preset(
            age_range=(50.0, 85.0), age_beta=(1.1, 2.0), female_share=0.68, weight_factor=0.93, sites=("chest_b",)
        ),
        site=Site(
            name="chest_b", kvp=(80,), photons=3600.0, scatter_to_primary=0.42, blur_mm=0.42, field_mm=410.0,
            margin_mm=(1.0, 14.0), latitude=2.9, steepness=3.1, edge=0.15, equalise=0.12,
            photometric="MONOCHROME1", shutter=False, stored_range=(180, 3600),
        ),
    ),
}  # fmt: skip
"""``chest`` develops models, ``chest_external`` is another hospital: other voltage, look-up table, pixel spacing and
people (younger, lighter, more of them women)."""

CHEST_SITES: dict[str, Site] = {preset.site.name: preset.site for preset in CHEST_PRESETS.values()}
"""The hospitals by name."""
