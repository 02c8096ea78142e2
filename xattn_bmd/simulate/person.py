"""A person whose hip is radiographed: clinical record and femoral-neck density."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.presets import Femora, Sex

Scale = Literal["lunar", "hologic"]
"""DXA device whose readings the labels are."""

DXA_CV: dict[Scale, float] = {"lunar": 0.0197, "hologic": 0.0150}
"""Precision error of a femoral-neck scan (57-study review), by device."""

SIDES: tuple[Literal["L", "R"], ...] = ("L", "R")


@dataclass(frozen=True, kw_only=True)
class Hip:
    """One radiograph to make, and the person it belongs to; None marks an answer the person did not give.

    Attributes:
        seed: seed of the cohort; part of the ids, so that two cohorts share nobody.
        index: row in the cohort.
        row: row of the table that the person was read from, or None for a drawn one.
        patient: number of the patient, shared by the two hips of one person.
        side: ``"L"`` or ``"R"``.
        femora: the bones whose variation this one is drawn from.
        site: name of the hospital.
        sex: ``"female"`` or ``"male"``.
        age_xray: years.
        age_dxa: years; the scan follows the radiograph by days to weeks.
        height: cm.
        weight: kg.
        bmi: kg/m², computed from height and weight.
        smoking: ``"never"``, ``"former"`` or ``"current"``.
        alcohol: drinks per week.
        activity: MET-minutes per week of work, travel and leisure.
        diet: self-rated quality, 1 excellent to 5 poor.
        true_bmd: femoral-neck density without measurement error, Lunar scale, g/cm².
        fn_bmd: the label: the same with the precision error of a DXA scan, on that device's scale.
    """

    seed: int
    index: int
    patient: int
    side: Literal["L", "R"]
    femora: Femora = "benchmark"
    site: str
    sex: Sex
    age_xray: float
    age_dxa: float
    height: float
    weight: float
    bmi: float
    smoking: str | None
    alcohol: float | None
    activity: float | None
    diet: float | None
    true_bmd: float
    fn_bmd: float
    row: int | None = None

    def __post_init__(self) -> None:
        """Refuse a body that cannot exist."""
        for name in ("true_bmd", "fn_bmd", "height", "weight", "age_xray"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                found = f"hip {self.index} has {value}"
                raise SimulationError(f"A simulated person needs a positive {name}, but {found}; correct the subject.")

    @property
    def radiograph_id(self) -> str:
        """Made-up id of the radiograph."""
        return f"H{self.seed}-{self.index + 1:05d}"

    @property
    def patient_id(self) -> str:
        """Made-up id of the patient."""
        return f"P{self.seed}-{self.patient + 1:05d}"
