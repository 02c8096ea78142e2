"""The populations that can be simulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PresetName = Literal["hcs", "screening"]
Sex = Literal["female", "male"]


@dataclass(frozen=True, kw_only=True)
class SexLaw:
    """Means and SDs that a preset sets for one sex, at the preset's mean age.

    Attributes:
        height: mean and SD, cm.
        weight: mean and SD, kg.
        fn_bmd: mean and SD of femoral-neck density, Lunar scale, g/cm².
    """

    height: tuple[float, float]
    weight: tuple[float, float]
    fn_bmd: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One population.

    Attributes:
        age_range: youngest and oldest age, years.
        age_beta: shape of the beta distribution of age over that range.
        female_share: share of women among the patients.
        laws: means and SDs per sex, or None to take those estimated from NHANES.
        covariate_weight: factor on the NHANES regression slopes of density on the record; below 1 it leaves clinical
            variables less informative than in NHANES, whose slopes mix several ancestries and survey years.
        two_hips: share of patients who contribute both hips.
    """

    age_range: tuple[float, float]
    age_beta: tuple[float, float]
    female_share: float
    laws: tuple[tuple[Sex, SexLaw], ...] | None
    covariate_weight: float
    two_hips: float = 0.08


PRESETS: dict[PresetName, Preset] = {
    "hcs": Preset(
        age_range=(71.6, 80.6),
        age_beta=(1.9, 2.0),
        female_share=0.489,
        laws=(
            ("female", SexLaw(height=(160.0, 6.0), weight=(71.0, 12.5), fn_bmd=(0.812, 0.120))),
            ("male", SexLaw(height=(174.0, 6.5), weight=(82.0, 12.5), fn_bmd=(0.945, 0.140))),
        ),
        covariate_weight=0.95,
    ),
    "screening": Preset(
        age_range=(50.0, 85.0),
        age_beta=(1.1, 1.6),
        female_share=0.5,
        laws=None,
        covariate_weight=0.95,
    ),
}
