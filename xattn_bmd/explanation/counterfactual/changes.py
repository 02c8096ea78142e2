"""What is changed in a simulated hip, all else being equal: bones, pose, gas, noise and record stay as they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.person import Hip
from xattn_bmd.simulate.site import SITE_PROFILES, Site

DENSITY_STEP = 0.10
"""g/cm² by which the mineral goes up and down: two thirds of the SD between people."""

_BMI_STEP, _QUANTA_SD, _SCATTER_SD = 4.5, 0.44, 0.42
"""One SD between people (kg/m², that of the preset hcs), and of the logarithm between radiographs, as simulated."""

_MIDDLE_KV, _KV_STEP = 75, 5

Changed = tuple[Hip, Site | None]
"""A person, and the hospital's settings where they are changed."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that is changed.

    Attributes:
        name: as in the tables.
        step: what one step is, in words.
        per: change of the slope's denominator for one step: g/cm² of mineral, or 1 SD.
        ideal: slope that physics asks for.
        make: ``(hip, steps)`` → the changed person; steps are -1 and 1.
    """

    name: str
    step: str
    per: float
    ideal: float
    make: Callable[[Hip, int], Changed]


def _mineral(hip: Hip, steps: int) -> Changed:
    return replace(hip, true_bmd=hip.true_bmd + steps * DENSITY_STEP), None


def _soft_tissue(hip: Hip, steps: int) -> Changed:
    return replace(hip, bmi=hip.bmi + steps * _BMI_STEP), None


def _quanta(hip: Hip, steps: int) -> Changed:
    site = _site(hip)
    return hip, replace(site, photons=site.photons * math.exp(steps * _QUANTA_SD))


def _scatter(hip: Hip, steps: int) -> Changed:
    site = _site(hip)
    return hip, replace(site, scatter_to_primary=site.scatter_to_primary * math.exp(steps * _SCATTER_SD))


def _tube_voltage(hip: Hip, steps: int) -> Changed:
    site = _site(hip)
    return hip, replace(site, kvp=(_MIDDLE_KV + steps * _KV_STEP,) * len(site.kvp))


def _site(hip: Hip) -> Site:
    if hip.site not in SITE_PROFILES:
        raise SimulationError(
            f"Exposure is changed around the settings of a hospital ({', '.join(SITE_PROFILES)}), but a hip comes from "
            f"{hip.site!r}; choose another preset."
        )
    return SITE_PROFILES[hip.site]


CHANGES: tuple[Change, ...] = (
    Change(name="mineral", step="0.10 g/cm²", per=DENSITY_STEP, ideal=1.0, make=_mineral),
    Change(name="soft tissue", step="4.5 kg/m² of body mass index", per=1.0, ideal=0.0, make=_soft_tissue),
    Change(name="quanta", step="factor 1.55", per=1.0, ideal=0.0, make=_quanta),
    Change(name="scatter", step="factor 1.52", per=1.0, ideal=0.0, make=_scatter),
    Change(name="tube voltage", step="5 kV", per=1.0, ideal=0.0, make=_tube_voltage),
)
"""Mineral, of which the estimate must follow every bit, and what must not move it."""
