"""The clavicles: S-shaped tubes whose wall and marrow share out the mineral that the person's clavicles hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xattn_bmd.simulate.chest.loft import Solid, merge, tube
from xattn_bmd.simulate.chest.thorax import Stance, Thorax
from xattn_bmd.simulate.dxa import CORTICAL_MINERAL
from xattn_bmd.simulate.mesh import Floats

_POINTS, _SIDES = 40, 18
_ALONG = (0.0, 0.02, 0.10, 0.25, 0.42, 0.60, 0.78, 0.93, 0.99, 1.0)
_HIGH = (4.0, 9.5, 9.6, 7.4, 6.2, 5.9, 5.8, 5.6, 4.6, 2.0)
_DEEP = (3.5, 8.2, 8.4, 6.8, 6.1, 6.4, 8.4, 10.0, 7.5, 3.0)
_WALL = (0.7, 0.8, 1.0, 1.7, 2.2, 2.3, 1.7, 1.0, 0.8, 0.7)
"""Semi-axes and thickness of the wall along the bone, medial to lateral, mm."""

_WALL_RANGE = (0.35, 2.2)
_SPONGY_RANGE = (0.03, 0.60)


@dataclass(frozen=True)
class Clavicle:
    """The course and calibre of one clavicle.

    Attributes:
        line: ``(P, 3)`` centre line, medial to lateral, mm.
        high: ``(P,)`` semi-axis up, mm.
        deep: ``(P,)`` semi-axis to the back, mm.
        wall: ``(P,)`` usual thickness of the cortex, mm.
    """

    line: Floats
    high: Floats
    deep: Floats
    wall: Floats

    def volumes(self, factor: float) -> tuple[float, float]:
        """Return volume of cortex and marrow, cm³, the wall multiplied by ``factor``."""
        steps = np.sqrt(np.sum(np.diff(self.line, axis=0) ** 2, axis=1))
        length = 0.5 * (np.concatenate([[0.0], steps]) + np.concatenate([steps, [0.0]]))
        wall = self.wall * factor
        inner = np.maximum(self.high - wall, 0) * np.maximum(self.deep - wall, 0)
        whole, hollow = (float(np.pi * np.sum(area * length)) / 1000 for area in (self.high * self.deep, inner))
        return whole - hollow, hollow

    def solid(self, factor: float) -> Solid:
        """Return the bone, the wall multiplied by ``factor``."""
        return tube(
            self.line,
            across=self.high,
            deep=self.deep,
            cortex=np.minimum(self.wall * factor, 0.95 * np.minimum(self.high, self.deep)),
            up=(0.0, 0.0, 1.0),
            sides=_SIDES,
        )


@dataclass(frozen=True)
class Clavicles:
    """Both clavicles with what fills them.

    Attributes:
        solid: their surfaces.
        spongy: mineral of the marrow cavity, g/cm³.
        cortical_share: share of the mineral that the cortex holds.
        density: mineral per volume of the whole bones, g/cm³.
    """

    solid: Solid
    spongy: float
    cortical_share: float
    density: float


def sample_clavicles(person: np.random.Generator, *, thorax: Thorax, stance: Stance, density: float) -> Clavicles:
    """Draw both clavicles and fill them so that they hold ``density`` on average.

    How much of the mineral lies in the cortex varies between people of equal density.

    Args:
        person: draws what stays with the person.
        thorax: size of the chest.
        stance: how far the shoulders are raised.
        density: mineral per volume of the whole bones, g/cm³.

    Example:
        >>> from xattn_bmd.simulate.chest.thorax import sample_stance, sample_thorax
        >>> rng = np.random.default_rng(0)
        >>> thorax, stance = sample_thorax(rng, height_cm=170, bmi=26, sex="male"), sample_stance(rng)
        >>> round(sample_clavicles(rng, thorax=thorax, stance=stance, density=0.44).density, 3)
        0.44
    """
    calibre = thorax.bone * float(np.exp(person.normal(0, 0.05)))
    bend, slant = float(person.normal(1, 0.15)), float(person.normal(0, 4))
    pair = [
        _course(thorax, side=side, raised=raised + slant, calibre=calibre, bend=bend * float(person.normal(1, 0.05)))
        for side, raised in zip((1, -1), stance.raised, strict=True)
    ]
    share = float(np.clip(person.normal(0.70, 0.07), 0.48, 0.88))
    factor = _wall_factor(pair, mineral_share=share * density)
    cortex, marrow = (sum(bone.volumes(factor)[part] for bone in pair) for part in (0, 1))
    mineral = density * (cortex + marrow)
    spongy = float(np.clip((mineral - CORTICAL_MINERAL * cortex) / marrow, *_SPONGY_RANGE))
    held = CORTICAL_MINERAL * cortex + spongy * marrow
    return Clavicles(
        solid=merge([bone.solid(factor) for bone in pair]),
        spongy=spongy,
        cortical_share=CORTICAL_MINERAL * cortex / held,
        density=held / (cortex + marrow),
    )


def _course(thorax: Thorax, *, side: int, raised: float, calibre: float, bend: float) -> Clavicle:
    share = np.linspace(0, 1, _POINTS)
    wide, tall = thorax.shoulder, thorax.tall
    front = thorax.half_depth * 0.62
    forward = bend * np.where(
        share < 0.6, 15.0 * np.sin(np.pi * share / 0.6), -9.0 * np.sin(np.pi * (share - 0.6) / 0.4)
    )
    x = (17.0 + 126.0 * share) * wide
    y = front + (-20.0 - front) * share**1.1 + forward
    z = tall * (90.0 + 31.0 * share) + raised * share**0.8 + 0.35 * forward
    line = np.stack([side * x, y, z], axis=1)
    line[:, 0] += thorax.midline(line[:, 2]) * (1 - share)
    high, deep, wall = (np.interp(share, _ALONG, values) for values in (_HIGH, _DEEP, _WALL))
    return Clavicle(line, calibre * high, calibre * deep, calibre * wall)


def _wall_factor(pair: list[Clavicle], *, mineral_share: float) -> float:
    """Return the factor on the walls at which the cortex holds ``mineral_share`` per volume of bone (bisection)."""
    low, high = _WALL_RANGE
    whole = sum(sum(bone.volumes(1.0)) for bone in pair)
    for _ in range(30):
        middle = 0.5 * (low + high)
        cortex = sum(bone.volumes(middle)[0] for bone in pair)
        low, high = (middle, high) if CORTICAL_MINERAL * cortex < mineral_share * whole else (low, middle)
    return 0.5 * (low + high)
