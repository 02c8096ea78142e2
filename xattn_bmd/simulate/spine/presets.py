"""The institutions whose spines can be simulated: their people, their fractures, how they take and process radiographs.

Lateral lumbar radiographs are usually taken at 80-95 kVp; spectra are stored for 70-85 kVp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xattn_bmd.simulate.presets import Preset
from xattn_bmd.simulate.site import Site

SpinePresetName = Literal["spine", "spine_external"]


@dataclass(frozen=True, kw_only=True)
class SpinePreset:
    """One institution.

    Attributes:
        letter: first letter of the ids of its radiographs and patients.
        patients: how many of them a cohort has unless stated; as in the published study.
        people: ages, share of women and weights of its patients.
        fresh: share of the patients with a fresh fracture.  ASSUMED.
        old: mean number of old fractures of a patient.  ASSUMED.
        upper_edge: where the upper edge of the exposed field lies: between these levels, counted down from the middle
            of T10 (1 is the middle of T11).
        site: how it exposes, processes and stores.
    """

    letter: str
    patients: int
    people: Preset
    fresh: float
    old: float
    upper_edge: tuple[float, float]
    site: Site


SPINE_PRESETS: dict[SpinePresetName, SpinePreset] = {
    "spine": SpinePreset(
        letter="V",
        patients=523,
        people=Preset(age_range=(55.0, 90.0), age_beta=(2.6, 1.6), female_share=0.75, sites=("spine_a",)),
        fresh=0.62,
        old=0.75,
        upper_edge=(0.0, 0.9),
        site=Site(
            name="spine_a", kvp=(85,), photons=9000.0, scatter_to_primary=0.36, blur_mm=0.36, field_mm=336.0,
            margin_mm=(0.0, 6.0), latitude=2.2, steepness=3.4, edge=0.50, equalise=0.35,
            photometric="MONOCHROME2", shutter=True, stored_range=(0, 4095),
        ),
    ),
    "spine_external": SpinePreset(
        letter="W",
        patients=140,
        people=Preset(
            age_range=(50.0, 90.0), age_beta=(1.8, 1.9), female_share=0.66, weight_factor=1.05, sites=("spine_b",)
        ),
        fresh=0.50,
        old=0.70,
        upper_edge=(1.55, 2.9),
        site=Site(
            name="spine_b", kvp=(80,), photons=6000.0, scatter_to_primary=0.46, blur_mm=0.46, field_mm=356.0,
            margin_mm=(0.0, 10.0), latitude=2.6, steepness=3.0, edge=0.18, equalise=0.15,
            photometric="MONOCHROME1", shutter=False, stored_range=(150, 3700),
        ),
    ),
}  # fmt: skip
"""``spine`` develops models, ``spine_external`` is another hospital: other voltage, look-up table, pixel spacing,
field, people (younger, heavier, fewer women) and fewer fractures."""
