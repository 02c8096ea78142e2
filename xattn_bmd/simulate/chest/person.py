"""A person whose chest is radiographed: clinical record, lumbar density and clavicular mineral."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.presets import Sex


@dataclass(frozen=True, kw_only=True)
class Chest:
    """One radiograph to make, and the person it belongs to.

    Attributes:
        letter: first letter of the ids; tells the institutions' people apart.
        seed: seed of the cohort; part of the ids.
        index: row in the cohort.
        patient: number of the patient.
        site: name of the hospital.
        sex: ``"female"`` or ``"male"``.
        age_xray: years.
        height: cm.
        weight: kg.
        bmi: kg/m², computed from height and weight.
        smoking: ``"never"``, ``"former"`` or ``"current"``.
        true_bmd: lumbar density (L1-L4, Lunar scale) without measurement error, g/cm².
        lumbar_bmd: the label: the same with the precision error of a DXA scan.
        clavicle_density: mineral of the clavicles per volume of the whole bone, g/cm³.
    """

    letter: str
    seed: int
    index: int
    patient: int
    site: str
    sex: Sex
    age_xray: float
    height: float
    weight: float
    bmi: float
    smoking: str
    true_bmd: float
    lumbar_bmd: float
    clavicle_density: float

    def __post_init__(self) -> None:
        """Refuse a body that cannot exist."""
        for name in ("age_xray", "height", "weight", "true_bmd", "clavicle_density"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                found = f"chest {self.index} has {value}"
                raise SimulationError(f"A simulated person needs a positive {name}, but {found}; correct the subject.")

    @property
    def radiograph_id(self) -> str:
        """Made-up id of the radiograph."""
        return f"{self.letter}{self.seed}-{self.index + 1:05d}"

    @property
    def patient_id(self) -> str:
        """Made-up id of the patient."""
        return f"{self.letter}P{self.seed}-{self.patient + 1:05d}"
