"""A person whose lumbar spine is scanned: clinical record, density and marrow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.presets import Sex


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One CT volume to make, and the person it belongs to.

    Attributes:
        letter: first letter of the ids.
        seed: seed of the cohort; part of the ids.
        index: row in the cohort.
        patient: number of the patient.
        site: name of the hospital.
        scanner: name of its scanner.
        sex: ``"female"`` or ``"male"``.
        age_ct: years.
        height: cm.
        weight: kg.
        bmi: kg/m², computed from height and weight.
        smoking: ``"never"``, ``"former"`` or ``"current"``.
        true_qct: mean QCT density of L1 and L2 without measurement error, mg/cm³.
        qct: the label: the same with the precision error.
        marrow_fat: share of the marrow that is yellow.
        metal: whether two vertebrae carry screws.
    """

    letter: str
    seed: int
    index: int
    patient: int
    site: str
    scanner: str
    sex: Sex
    age_ct: float
    height: float
    weight: float
    bmi: float
    smoking: str
    true_qct: float
    qct: float
    marrow_fat: float
    metal: bool

    def __post_init__(self) -> None:
        """Refuse a body that cannot exist."""
        for name in ("age_ct", "height", "weight", "true_qct", "marrow_fat"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                found = f"scan {self.index} has {value}"
                raise SimulationError(f"A simulated person needs a positive {name}, but {found}; correct the subject.")

    @property
    def scan_id(self) -> str:
        """Made-up id of the scan."""
        return f"{self.letter}{self.seed}-{self.index + 1:05d}"

    @property
    def patient_id(self) -> str:
        """Made-up id of the patient."""
        return f"{self.letter}P{self.seed}-{self.patient + 1:05d}"
