"""The lumbar spine of one person: how eight vertebrae stand on each other, and what fills them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from xattn_bmd.simulate.ct.density import LEVELS, level_densities
from xattn_bmd.simulate.ct.vertebra import Size, sample_size
from xattn_bmd.simulate.presets import Sex

_TILT = (20.0, 18.0, 15.0, 10.0, 4.0, -5.0, -20.0, -38.0)
"""Degrees by which the axis of each vertebra leans backwards, lying on the back.  ASSUMED, near one healthy scan."""

_ANCHOR = LEVELS.index("L2")


@dataclass(frozen=True, kw_only=True)
class Vertebra:
    """One vertebra in the body.

    Attributes:
        level: its name.
        size: its dimensions.
        centre: x, y, z of the middle of the body, mm.
        tilt: by how much its axis leans backwards, radians.
        qct: QCT density of its trabecular bone, mg/cm³.
    """

    level: str
    size: Size
    centre: tuple[float, float, float]
    tilt: float
    qct: float


@dataclass(frozen=True, kw_only=True)
class Spine:
    """All vertebrae of a person.

    Attributes:
        vertebrae: head to feet.
        fat_share: share of the marrow that is yellow.
        wall_mm: thickness of the cortex around the bodies.
        endplate_mm: thickness of the endplates.
        screws: levels that carry pedicle screws.
    """

    vertebrae: tuple[Vertebra, ...]
    fat_share: float
    wall_mm: float
    endplate_mm: float
    screws: tuple[str, ...]

    def line(self, z: float) -> tuple[float, float]:
        """Return x and y of the middle of the bodies at a height, mm."""
        heights = [vertebra.centre[2] for vertebra in self.vertebrae][::-1]
        x, y = ([vertebra.centre[axis] for vertebra in self.vertebrae][::-1] for axis in (0, 1))
        return float(np.interp(z, heights, x)), float(np.interp(z, heights, y))


def sample_spine(
    rng: np.random.Generator, *, qct: float, fat_share: float, height_cm: float, sex: Sex, back_mm: float, metal: bool
) -> Spine:
    """Draw the spine of a person; the disc between L2 and L3 lies at the height 0.

    Args:
        rng: draws what belongs to the person.
        qct: mean QCT density of L1 and L2, mg/cm³.
        fat_share: share of the marrow that is yellow.
        height_cm: stature.
        sex: women have narrower vertebrae at equal stature.
        back_mm: how far the middle of the bodies lies above the skin of the back.
        metal: whether two neighbouring vertebrae carry screws.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> spine = sample_spine(rng, qct=90, fat_share=0.5, height_cm=168, sex="male", back_mm=95, metal=False)
        >>> spine.vertebrae[2].level, bool(20 < spine.vertebrae[2].centre[2] < 75)
        ('L1', True)
    """
    scale = float((height_cm / 168.0) ** 0.6 * (1.03 if sex == "male" else 0.97) * np.exp(0.02 * rng.standard_normal()))
    density = level_densities(rng, qct)
    curve, lean = float(np.clip(1 + 0.22 * rng.standard_normal(), 0.4, 1.6)), float(2.5 * rng.standard_normal())
    tilt = [math.radians(curve * degrees + lean) for degrees in _TILT]
    sizes = [sample_size(rng, level, scale=scale) for level in LEVELS]
    bend, phase = float(3.0 * rng.standard_normal()), float(rng.uniform(0, 2 * math.pi))
    upper = int(rng.choice([LEVELS.index("L1"), LEVELS.index("L3"), LEVELS.index("L4")]))
    vertebrae = []
    for level, size, lean_, (y, z) in zip(LEVELS, sizes, tilt, _stacked(sizes, tilt), strict=True):
        x = bend * math.sin(z / 60.0 + phase)
        vertebrae.append(Vertebra(level=level, size=size, centre=(x, y - back_mm, z), tilt=lean_, qct=density[level]))
    return Spine(
        vertebrae=tuple(vertebrae),
        fat_share=fat_share,
        wall_mm=float(np.clip(0.22 + 0.0009 * qct + 0.05 * rng.standard_normal(), 0.15, 0.6)),
        endplate_mm=float(np.clip(0.48 + 0.12 * rng.standard_normal(), 0.25, 1.1)),
        screws=LEVELS[upper : upper + 2] if metal else (),
    )


def _stacked(sizes: list[Size], tilt: list[float]) -> list[tuple[float, float]]:
    """Return y and z of the middle of each body, the disc below the anchor at 0."""
    places = {_ANCHOR: _along(tilt[_ANCHOR], sizes[_ANCHOR].disc / 2 + sizes[_ANCHOR].half_height)}
    for upper in range(_ANCHOR, len(sizes) - 1):
        step = _step(sizes, tilt, upper)
        places[upper + 1] = (places[upper][0] - step[0], places[upper][1] - step[1])
    for upper in range(_ANCHOR - 1, -1, -1):
        step = _step(sizes, tilt, upper)
        places[upper] = (places[upper + 1][0] + step[0], places[upper + 1][1] + step[1])
    return [places[number] for number in range(len(sizes))]


def _step(sizes: list[Size], tilt: list[float], upper: int) -> tuple[float, float]:
    """Return how far a body lies behind and above the one below it."""
    parts = (
        _along(tilt[upper], sizes[upper].half_height),
        _along((tilt[upper] + tilt[upper + 1]) / 2, sizes[upper].disc),
        _along(tilt[upper + 1], sizes[upper + 1].half_height),
    )
    return sum(part[0] for part in parts), sum(part[1] for part in parts)


def _along(tilt: float, length: float) -> tuple[float, float]:
    return math.sin(tilt) * length, math.cos(tilt) * length
