"""Soft tissue of one person by stature, sex, age and body mass index; every number is an assumption."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xattn_bmd.simulate.presets import Sex


@dataclass(frozen=True, kw_only=True)
class Build:
    """Soft tissue of one person, mm.

    Attributes:
        half_width: of the trunk.
        depth: of the trunk, back to front.
        fat: subcutaneous, at the sides and in front.
        back_fat: subcutaneous, over the back muscles.
        muscle: factor on the calibre of muscles.
        fatty: share of the back muscles that is fat.
        organ: factor on the calibre of organs.
        plaque: how much calcium lies in the wall of the aorta, 0 to 1.
    """

    half_width: float
    depth: float
    fat: float
    back_fat: float
    muscle: float
    fatty: float
    organ: float
    plaque: float

    @property
    def back_mm(self) -> float:
        """How far the middle of the vertebral bodies lies above the skin of the back."""
        return 68.0 + self.back_fat + 14.0 * self.muscle


def sample_build(rng: np.random.Generator, *, age: float, bmi: float, sex: Sex) -> Build:
    """Draw the soft tissue of a person.

    Example:
        >>> sample_build(np.random.default_rng(0), age=60, bmi=26, sex="male").back_mm > 75
        True
    """
    excess, male = float(np.clip(bmi, 16, 45)) - 25.0, sex == "male"
    one = rng.standard_normal(7)
    return Build(
        half_width=float(np.clip((168 if male else 158) + 4.2 * excess + 7 * one[0], 120, 235)),
        depth=float(np.clip((228 if male else 212) + 6.0 * excess + 9 * one[1], 165, 380)),
        fat=float(np.clip((16 if male else 23) + 1.5 * excess + 4 * one[2], 4, 60)),
        back_fat=float(np.clip((9 if male else 13) + 0.9 * excess + 3 * one[3], 3, 40)),
        muscle=float(np.clip((1.08 if male else 0.95) - 0.004 * (age - 55) + 0.008 * excess + 0.06 * one[4], 0.7, 1.4)),
        fatty=float(np.clip(0.12 + 0.006 * (age - 50) + 0.006 * excess + 0.06 * one[5], 0.02, 0.6)),
        organ=float(np.exp(0.05 * one[6])) * (1.04 if male else 0.96),
        plaque=float(np.clip((age - 55) / 30 + 0.3 * rng.standard_normal(), 0, 1)),
    )
