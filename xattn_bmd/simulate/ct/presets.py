"""The hospitals whose CT scans can be simulated: their people and their scanners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xattn_bmd.simulate.presets import Preset

CtPresetName = Literal["ct", "ct_external"]


@dataclass(frozen=True, kw_only=True)
class CtPreset:
    """Hospitals, each as large as its share.

    Attributes:
        letter: first letter of the ids of its scans and patients.
        hospitals: name, share of the scans, people and scanners of each.
    """

    letter: str
    hospitals: tuple[tuple[str, float, Preset, tuple[str, ...]], ...]


def _people(low: float, high: float, female: float, *, weight: float, shape: tuple[float, float]) -> Preset:
    return Preset(age_range=(low, high), age_beta=shape, female_share=female, weight_factor=weight, sites=())


CT_PRESETS: dict[CtPresetName, CtPreset] = {
    "ct": CtPreset(
        letter="T",
        hospitals=(("ct_a", 1.0, _people(35, 88, 0.55, weight=0.92, shape=(1.7, 1.6)), ("scanner_a",)),),
    ),
    "ct_external": CtPreset(
        letter="U",
        hospitals=(
            ("ct_b", 0.4, _people(45, 90, 0.62, weight=0.96, shape=(2.0, 1.5)), ("scanner_b", "scanner_c")),
            ("ct_c", 0.3, _people(30, 85, 0.48, weight=0.85, shape=(1.5, 1.7)), ("scanner_d",)),
            ("ct_d", 0.3, _people(40, 90, 0.58, weight=1.06, shape=(1.8, 1.6)), ("scanner_e",)),
        ),
    ),
}
"""``ct`` develops models; ``ct_external`` is three hospitals with four scanners, none of which the other has."""
