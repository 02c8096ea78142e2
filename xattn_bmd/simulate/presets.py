"""The populations that can be simulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PresetName = Literal["hcs", "screening", "external_c", "external_d", "pretraining"]
Sex = Literal["female", "male"]
Femora = Literal["benchmark", "pretraining"]
"""16 of the 26 real femora vary the benchmark's hips; the other 10 are kept for what a bone encoder learns from."""


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
    """One population and the hospitals that see it.

    Attributes:
        age_range: youngest and oldest age, years.
        age_beta: shape of the beta distribution of age over that range.
        female_share: share of women among the patients.
        laws: means and SDs per sex, or None to take those estimated from NHANES.
        weight_factor: factor on the weights estimated from NHANES.
        covariate_weight: factor on the NHANES regression slopes of density on the record; below 1 it leaves clinical
            variables less informative than in NHANES, whose slopes mix several ancestries and survey years.
        two_hips: share of patients who contribute both hips.
        sites: the hospitals, each as likely.
        femora: the real bones whose variation the hips show.
    """

    age_range: tuple[float, float]
    age_beta: tuple[float, float]
    female_share: float
    laws: tuple[tuple[Sex, SexLaw], ...] | None = None
    weight_factor: float = 1.0
    covariate_weight: float = 0.95
    two_hips: float = 0.08
    sites: tuple[str, ...] = ("site_a", "site_b")
    femora: Femora = "benchmark"


_SCREENING = Preset(age_range=(50.0, 85.0), age_beta=(1.1, 1.6), female_share=0.5)

PRESETS: dict[PresetName, Preset] = {
    "hcs": Preset(
        age_range=(71.6, 80.6),
        age_beta=(1.9, 2.0),
        female_share=0.489,
        laws=(
            ("female", SexLaw(height=(160.0, 6.0), weight=(71.0, 12.5), fn_bmd=(0.812, 0.120))),
            ("male", SexLaw(height=(174.0, 6.5), weight=(82.0, 12.5), fn_bmd=(0.945, 0.140))),
        ),
    ),
    "screening": _SCREENING,
    "external_c": Preset(
        age_range=(60.0, 85.0), age_beta=(1.8, 1.2), female_share=0.7, weight_factor=1.06, sites=("site_c",)
    ),
    "external_d": Preset(
        age_range=(50.0, 78.0), age_beta=(1.2, 2.2), female_share=0.45, weight_factor=0.94, sites=("site_d",)
    ),
    "pretraining": Preset(
        age_range=(45.0, 88.0), age_beta=(1.1, 1.2), female_share=0.5, sites=("varied",), femora="pretraining"
    ),
}
"""``hcs`` has the shape of the source study, ``screening`` that of a screening programme; ``external_c`` (older,
heavier, mostly women) and ``external_d`` (younger, lighter) are hospitals that no development cohort contains;
``pretraining`` is what a bone encoder may learn from: other femora, and an image processing drawn anew for every
radiograph."""
