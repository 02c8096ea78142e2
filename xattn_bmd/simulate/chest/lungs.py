"""The air of the chest along every ray: the cavity without diaphragm, heart, great vessels, spine; and the windpipe."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.simulate.chest.thorax import Stance, Thorax, Values

Image = NDArray[np.float32]
_DOMES = ((68.0, -84.0), (-70.0, -71.0))
"""x and z of the left and the right dome of the diaphragm, mm; the liver lifts the right one."""

_OUTER_FALL, _INNER_FALL = 62.0, 20.0


@dataclass(frozen=True, kw_only=True)
class Organs:
    """What belongs to the person within the chest.

    Attributes:
        heart: factor on the size of the heart.
        knob: radius of the aortic arch, mm.
        band: half-width of the upper mediastinum, mm.
        domes: heights of the left and the right dome above their usual ones, mm.
        fall: factor on how steeply the diaphragm falls to the wall.
    """

    heart: float
    knob: float
    band: float
    domes: tuple[float, float]
    fall: float


def sample_organs(person: np.random.Generator, *, age: float, bmi: float) -> Organs:
    """Draw heart, aorta and diaphragm; the heart grows with body mass, the aorta with age.

    Example:
        >>> 0.8 < sample_organs(np.random.default_rng(0), age=60, bmi=26).heart < 1.3
        True
    """
    excess = float(np.clip(bmi, 16, 45)) - 26.0
    return Organs(
        heart=float((1 + 0.006 * excess) * np.exp(person.normal(0, 0.07))),
        knob=float(np.clip(14.5 + 0.09 * (age - 60) + person.normal(0, 1.6), 11, 22)),
        band=float(np.clip(26.5 + 0.25 * excess + person.normal(0, 2.5), 18, 36)),
        domes=(float(0.6 * excess + person.normal(0, 6)), float(0.6 * excess + person.normal(0, 6))),
        fall=float(np.exp(person.normal(0, 0.12))),
    )


def dome_heights(organs: Organs, *, thorax: Thorax, stance: Stance) -> tuple[float, float]:
    """Return the z of the left and the right dome in this breath, mm."""
    left, right = (
        thorax.tall * usual + own + stance.breath for (_, usual), own in zip(_DOMES, organs.domes, strict=True)
    )
    return left, right


def air_path(x: Image, z: Image, *, thorax: Thorax, organs: Organs, stance: Stance) -> tuple[Image, Image]:
    """Return the path through aerated lung, and through the air of the windpipe, ``(H, W)`` mm.

    Args:
        x: ``(1, W)`` mm.
        z: ``(H, 1)`` mm.
        thorax: the chest.
        organs: what lies within.
        stance: how the patient stands and breathes.

    Example:
        >>> from xattn_bmd.simulate.chest.thorax import sample_stance, sample_thorax
        >>> rng = np.random.default_rng(0)
        >>> thorax, organs = sample_thorax(rng, height_cm=170, bmi=26, sex="male"), sample_organs(rng, age=60, bmi=26)
        >>> x, z = np.array([[0.0, 80.0]], np.float32), np.array([[20.0]], np.float32)
        >>> lung, _ = air_path(x, z, thorax=thorax, organs=organs, stance=sample_stance(rng))
        >>> bool(lung[0, 0] < 20 < 80 < lung[0, 1])
        True
    """
    half = _half_chord(x, z, thorax)
    cavity = 2 * half
    top = _diaphragm(x, thorax=thorax, organs=organs, stance=stance)
    tissue = _below(z, half, top=top) + _mediastinum(x, z, top=top, thorax=thorax, organs=organs, stance=stance)
    lung = np.maximum(cavity - tissue, 0)
    return lung.astype(np.float32), _windpipe(x, z, thorax=thorax, stance=stance).astype(np.float32)


def _half_chord(x: Values, z: Values, thorax: Thorax) -> Values:
    width = np.maximum(thorax.width(z), 1e-3)
    across = np.abs((x - thorax.midline(z)) / width)
    chord: Values = (
        thorax.depth(z)
        * (1 - 0.5 * thorax.level(z) ** 6)
        * np.sqrt(np.maximum(1 - across * across * np.sqrt(across), 0))
        * (thorax.level(z) < 1)
    )
    return chord


def _diaphragm(x: Values, *, thorax: Thorax, organs: Organs, stance: Stance) -> Values:
    """Return the height of the diaphragm at every ``x``, ``(1, W)``."""
    heights = dome_heights(organs, thorax=thorax, stance=stance)
    left, right = (_dome(x, (at, high), thorax, organs) for (at, _), high in zip(_DOMES, heights, strict=True))
    return np.maximum(left, right)


def _below(z: Values, half: Values, *, top: Values) -> Values:
    """Return the part of each chord through the cavity that lies in or under the diaphragm."""
    reach = np.sqrt(np.maximum(top - z, 0) / 0.0052)
    middle = 16.0
    covered = np.minimum(middle + reach, half) - np.maximum(middle - reach, -half)
    return np.where(top > z, np.clip(covered, 0, 2 * half), 0)


def _dome(x: Values, at: tuple[float, float], thorax: Thorax, organs: Organs) -> Values:
    centre, height = at[0] * thorax.half_width / 140, at[1]
    outwards = (x - centre) * math.copysign(1.0, centre)
    outer = np.clip(outwards / (thorax.half_width - abs(centre) + 2), 0, 1)
    inner = np.clip(-outwards / 95.0, 0, 1.6)
    fall = organs.fall * _OUTER_FALL
    edge: Values = height - fall * (1 - np.sqrt(1 - outer**2)) - _INNER_FALL * inner**2 - 300 * (outwards < -130)
    return edge


def _mediastinum(x: Values, z: Values, *, top: Values, thorax: Thorax, organs: Organs, stance: Stance) -> Values:
    """Return the path through heart, great vessels and spine with its muscles, mm."""
    wide, tall = thorax.half_width / 140, thorax.tall
    size = organs.heart * wide
    lifted = np.maximum(z, top)

    def blob(at: tuple[float, float, float], radii: tuple[float, float, float], turned: float = 0.0) -> Values:
        u, v = stance.shift(at[0] * wide, at[1], at[2] * tall)
        cos, sin = math.cos(math.radians(turned)), math.sin(math.radians(turned))
        a = ((x - u) * cos + (lifted - v) * sin) / radii[0]
        b = ((lifted - v) * cos - (x - u) * sin) / radii[1]
        return 2 * radii[2] * np.sqrt(np.maximum(1 - a * a - b * b, 0))

    seat = dome_heights(organs, thorax=thorax, stance=stance)[0] / tall
    heart = np.maximum(
        blob((27, 22, seat + 33), (68 * size, 47 * size, 48 * size), -34),
        blob((-8, 16, seat + 44), (29 * size, 50 * size, 40 * size), -6),
    )
    trunk = np.maximum(
        blob((22, 0, 68), (organs.knob + 2, organs.knob + 3, organs.knob + 4)),
        blob((20, 10, 24), (25 * size, 42 * size, 30 * size), 24),
    )
    middle = thorax.midline(z) + 4 * np.clip((40 - z) / 100, 0, 1)
    band_half = organs.band * (0.92 + 0.16 * np.clip((z - 40) / 60, -1, 1.5))
    band = 108 * np.sqrt(np.maximum(1 - ((x - middle) / (1.12 * band_half)) ** 2, 0)) * np.clip((170 - z) / 60, 0.5, 1)
    aorta = _column(x, stance.shift(19 * wide, -48, 0)[0] + 0.03 * z, organs.knob - 3) * np.sqrt(
        np.clip((72 * tall - z) / 18, 0, 1)
    )
    spine = _column(x, thorax.midline(z) + stance.shift(0, -58, 0)[0], 27.0)
    heart = heart * np.clip(1 - (top - z) / 45, 0, 1)
    squares = (part * part for part in (heart, trunk, band))
    front = np.sqrt(np.sqrt(sum(square * square for square in squares)))
    path: Values = front + np.maximum(aorta, spine)
    return path


def _column(x: Values, at: Values | float, radius: float) -> Values:
    path: Values = 2 * np.sqrt(np.maximum(radius**2 - (x - at) ** 2, 0))
    return path


def _windpipe(x: Values, z: Values, *, thorax: Thorax, stance: Stance) -> Values:
    split = 48.0 * thorax.tall
    middle = stance.shift(-2, -5, 0)[0]
    pipe = _column(x, middle + thorax.midline(z), 8.6) * np.clip((z - split) / 6, 0, 1)
    for (run, fall), radius in (((38.0, -34.0), 5.6), ((-26.0, -42.0), 6.6)):
        length = math.hypot(run, fall)
        along = ((x - middle) * run + (z - split - 4) * fall) / length
        apart = ((x - middle) * fall - (z - split - 4) * run) / length
        ends = np.clip(along / 8, 0, 1) * np.clip((length - along) / 12, 0, 1)
        pipe = np.maximum(pipe, 2 * np.sqrt(np.maximum(radius**2 - apart**2, 0)) * ends)
    return pipe
