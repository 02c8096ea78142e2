"""Size and shape of one chest, and how it stands before the detector.

The cavity is a stack of superellipses that closes at the apex; ribs run along it, lungs fill it. Every number is a
modelling assumption, in mm for a person of 170 cm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.simulate.femur import turn
from xattn_bmd.simulate.mesh import Floats
from xattn_bmd.simulate.presets import Sex

Values = NDArray[np.floating[Any]]
"""Single or double precision, as given."""

CURVE = 3.0
"""Exponent of the profile; the higher, the squarer the apex."""


@dataclass(frozen=True, kw_only=True)
class Thorax:
    """The bony chest of one person.

    Attributes:
        tall: factor on heights.
        half_width: of the cavity at its widest.
        half_depth: of the cavity at its deepest.
        shoulder: factor on the width of the shoulders.
        bone: factor on the calibre of the bones.
        curve_mm: sideways bend of the spine (slight scoliosis).
        curve_phase: where along the spine it bends.
    """

    tall: float
    half_width: float
    half_depth: float
    shoulder: float
    bone: float
    curve_mm: float
    curve_phase: float

    def level(self, z: Values) -> Values:
        """Return 0 at the widest level of the cavity and below, 1 at its apex."""
        share: Values = np.clip((z / self.tall + 100.0) / 248.0, 0, 1)
        return share

    def width(self, z: Values) -> Values:
        """Return the half-width of the cavity at heights ``z``."""
        width: Values = self.half_width * np.sqrt(1 - self.level(z) ** CURVE)
        return width

    def depth(self, z: Values) -> Values:
        """Return the half-depth of the cavity at heights ``z``."""
        depth: Values = self.half_depth * (0.15 + 0.85 * np.sqrt(1 - self.level(z) ** CURVE))
        return depth

    def centre(self, z: Values) -> Values:
        """Return the y of the middle of the cavity: the apex lies further back."""
        return 4.0 - 26.0 * self.level(z) ** 2

    def midline(self, z: Values) -> Values:
        """Return the x of the spine."""
        x: Values = self.curve_mm * np.sin(z / (90.0 * self.tall) + self.curve_phase)
        return x


@dataclass(frozen=True, kw_only=True)
class Stance:
    """How the patient stands and breathes for one radiograph.

    Attributes:
        rotation: about the long axis, degrees.
        tilt: forwards (the clavicles drop) or backwards, degrees.
        raised: how far the left and the right shoulder are raised, mm.
        breath: how far the diaphragm stands above its usual height, mm.
    """

    rotation: float
    tilt: float
    raised: tuple[float, float]
    breath: float

    def place(self, points: Floats) -> Floats:
        """Return points ``(N, 3)`` as they stand before the detector."""
        return turn(turn(points, about="z", degrees=self.rotation), about="x", degrees=self.tilt)

    def shift(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Return x and z at which one point ``(x, y, z)`` stands."""
        placed = self.place(np.array([[x, y, z]]))[0]
        return float(placed[0]), float(placed[2])


def sample_thorax(rng: np.random.Generator, *, height_cm: float, bmi: float, sex: Sex) -> Thorax:
    """Draw the chest of a person from stature, body mass index and sex.

    Example:
        >>> 110 < sample_thorax(np.random.default_rng(0), height_cm=170.0, bmi=26.0, sex="male").half_width < 175
        True
    """
    stature = height_cm / 170.0
    wide = np.sqrt(stature) * (1.02 if sex == "male" else 0.97)
    excess = float(np.clip(bmi, 16, 45)) - 26.0
    return Thorax(
        tall=float(stature * np.exp(rng.normal(0, 0.03))),
        half_width=float(140.0 * wide * (1 + 0.003 * excess) * np.exp(rng.normal(0, 0.035))),
        half_depth=float(84.0 * wide * (1 + 0.006 * excess) * np.exp(rng.normal(0, 0.05))),
        shoulder=float(stature * (1.02 if sex == "male" else 0.97) * np.exp(rng.normal(0, 0.03))),
        bone=float(np.sqrt(stature) * (1.07 if sex == "male" else 0.93) * np.exp(rng.normal(0, 0.06))),
        curve_mm=float(rng.normal(0, 3.0)),
        curve_phase=float(rng.uniform(0, 2 * np.pi)),
    )


def sample_stance(rng: np.random.Generator) -> Stance:
    """Draw how a patient stands and breathes.

    Example:
        >>> abs(sample_stance(np.random.default_rng(0)).rotation) <= 7
        True
    """
    both = float(rng.normal(0, 7))
    return Stance(
        rotation=float(np.clip(rng.normal(0, 2.3), -7, 7)),
        tilt=float(np.clip(rng.normal(0, 2.5), -7, 7)),
        raised=(float(np.clip(both + rng.normal(0, 4), -16, 22)), float(np.clip(both + rng.normal(0, 4), -16, 22))),
        breath=float(np.clip(rng.normal(0, 10), -20, 28)),
    )
