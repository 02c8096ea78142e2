"""A person whose spine is radiographed: clinical record, lumbar density, and what befell each vertebra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.presets import Sex

LEVELS = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
"""Vertebral bodies that are drawn, from above; T10 is never wholly in view."""

Condition = Literal["normal", "old", "fresh"]
CONDITIONS: tuple[Condition, ...] = ("normal", "old", "fresh")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What befell one vertebral body.

    Attributes:
        condition: ``"normal"``, ``"old"`` or ``"fresh"``.
        grade: Genant grade 0 to 3; a fresh fracture may have 0, a normal body has 0.
        loss: largest loss of anterior, middle or posterior height against the undeformed body, a share; above 0 in
            normal bodies too, where it is a variant of growth.
        signs: how visible the signs of a fresh fracture are, 0 to 1; 0 in others.
    """

    condition: Condition = "normal"
    grade: int = 0
    loss: float = 0.0
    signs: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Spine:
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
        recent_fall: ``"yes"`` or ``"no"``.
        back_pain: 0 none to 10 worst.
        true_bmd: lumbar density (Lunar scale) without measurement error, g/cm².
        lumbar_bmd: the label: the same with the precision error of a DXA scan.
        findings: one for each of :data:`LEVELS`.
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
    recent_fall: Literal["yes", "no"]
    back_pain: int
    true_bmd: float
    lumbar_bmd: float
    findings: tuple[Finding, ...]

    def __post_init__(self) -> None:
        """Refuse a body that cannot exist."""
        for name in ("age_xray", "height", "weight", "true_bmd"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                found = f"spine {self.index} has {value}"
                raise SimulationError(f"A simulated person needs a positive {name}, but {found}; correct the subject.")
        if len(self.findings) != len(LEVELS):
            raise SimulationError(
                f"A spine has a finding for each of {len(LEVELS)} levels, but spine {self.index} has "
                f"{len(self.findings)}; give one each."
            )

    @property
    def radiograph_id(self) -> str:
        """Made-up id of the radiograph."""
        return f"{self.letter}{self.seed}-{self.index + 1:05d}"

    @property
    def patient_id(self) -> str:
        """Made-up id of the patient."""
        return f"{self.letter}P{self.seed}-{self.patient + 1:05d}"
