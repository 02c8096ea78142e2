"""Twenty-four ribs along the wall of the chest, the thoracic spine, and the breastbone."""

from __future__ import annotations

from typing import Literal

import numpy as np

from xattn_bmd.simulate.chest.loft import Solid, merge, tube
from xattn_bmd.simulate.chest.thorax import CURVE, Thorax
from xattn_bmd.simulate.mesh import Floats

RIBS = 12
_FIRST, _SPACING = 148.0, 23.0
_ENDS = (150.0, 147.0, 144.0, 143.0, 142.0, 141.0, 139.0, 133.0, 126.0, 118.0, 92.0, 62.0)
"""Where each rib ends, degrees around the chest from the spine."""

_DROPS = (38.0, 58.0, 78.0, 92.0, 102.0, 108.0, 110.0, 106.0, 98.0, 88.0, 58.0, 32.0)
"""How far each rib falls from the spine to its end, mm."""

_ATTACHED = 20.0
_OUTSIDE = 4.0
_SMALLEST = 0.33
_POINTS = 30


def rib_cage(rng: np.random.Generator, thorax: Thorax) -> Solid:
    """Return all ribs; their course varies a little between people, levels and sides."""
    slope, ribs = float(np.exp(rng.normal(0, 0.10))), []
    for number in range(RIBS):
        level = rng.normal(0, 1.2)
        for side in (1, -1):
            line = _rib_line(rng, thorax, number=number, level=float(level), slope=slope)
            ribs.append(_rib(line, side=side, number=number, thorax=thorax))
    return merge(ribs)


def _rib_line(rng: np.random.Generator, thorax: Thorax, *, number: int, level: float, slope: float) -> Floats:
    """Return the centre line of a left rib, ``(P, 3)``, around the chest and downwards."""
    top = thorax.tall * (_FIRST - _SPACING * number + level)
    drop = thorax.tall * slope * (_DROPS[number] + rng.normal(0, 2))
    share = np.linspace(0, 1, _POINTS)
    fall = 0.45 * share + 0.55 * share**2 * (3 - 2 * share)
    z = top - drop * fall + 7.0 * np.sin(np.pi * np.clip(share * 2.4, 0, 1))
    round_ = np.sqrt(1 - np.minimum(thorax.level(z), 0.97) ** CURVE)
    width = thorax.half_width * np.maximum(round_, _SMALLEST) + _OUTSIDE
    depth = thorax.half_depth * np.maximum(0.15 + 0.85 * round_, 0.4) + _OUTSIDE
    start = np.arcsin(min(_ATTACHED / width[0], 0.8))
    angle = start + (np.radians(_ENDS[number] + rng.normal(0, 2)) - start) * share
    x = width * np.abs(np.sin(angle)) ** 0.87
    x *= _ATTACHED / x[0] + (1 - _ATTACHED / x[0]) * np.clip(share * 6, 0, 1)
    y = thorax.centre(z) - depth * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.9
    return np.stack([x, y, z], axis=1)


def _rib(line: Floats, *, side: Literal[1, -1] | int, number: int, thorax: Thorax) -> Solid:
    line = line * np.array([side, 1, 1])
    line[:, 0] += thorax.midline(line[:, 2])
    share = np.linspace(0, 1, _POINTS)
    high = thorax.bone * np.interp(share, (0, 0.12, 0.4, 1), (4.6, 5.6, 6.2, 6.8)) * (0.8 if number in (0, 11) else 1)
    thick = thorax.bone * np.interp(share, (0, 0.12, 0.5, 1), (4.2, 3.6, 3.3, 3.0))
    return tube(line, across=high, deep=thick, cortex=0.7, up=(0.0, 0.0, 1.0), sides=8)


def spine(rng: np.random.Generator, thorax: Thorax) -> Solid:
    """Return the vertebrae from C5 to L2: bodies, pedicles, transverse and spinous processes."""
    parts: list[Solid] = []
    for number in range(-2, 14):
        spacing = _SPACING if number >= 0 else 16.5
        z = thorax.tall * (_FIRST - spacing * number - 4) + rng.normal(0, 0.6)
        x = float(thorax.midline(np.asarray(z)))
        size = thorax.bone * float(np.interp(number, (-3, 0, 13), (12.0, 14.5, 22.5)))
        y = float(thorax.centre(np.asarray(z)) - thorax.depth(np.asarray(z)) * 0.62) - 6.0
        half = 0.5 * thorax.tall * spacing - 2.4
        lean = float(np.interp(number, (-2, 1, 6, 13), (6.0, 24.0, 4.0, -16.0))) + rng.normal(0, 3)
        parts += _vertebra(np.array([x, y, z]), size=size, half=half, lean=np.tan(np.radians(lean)))
    return merge(parts)


def _vertebra(at: Floats, *, size: float, half: float, lean: float) -> list[Solid]:
    level = np.array([-1.0, -0.82, -0.3, 0.3, 0.82, 1.0])
    waist = size * np.array([0.97, 1.0, 0.90, 0.90, 1.0, 0.97])
    body = tube(
        at + half * level[:, None] * np.array([0.0, -lean, 1.0]),
        across=waist, deep=0.74 * waist, cortex=[0.7, 0.6, 0.5, 0.5, 0.6, 0.7], up=(1.0, 0.0, 0.0), sides=12,
    )  # fmt: skip
    back = -0.7 * size
    spinous = np.array([[0, back - 16, 0], [0, back - 26, -8], [0, back - 36, -17]]) + at
    parts = [body, tube(spinous, across=3.4, deep=2.6, cortex=0.7, up=(1.0, 0.0, 0.0), sides=8)]
    for side in (1.0, -1.0):
        root = at + np.array([side * 0.70 * size, back, 0.30 * half])
        pedicle = root + np.array([[0, 0, 0], [0, -7, 0], [0, -14, 0]])
        wing = root + np.array([[0, -14, 0], [side * 9, -17, 2], [side * 17, -22, 4]])
        parts.append(tube(pedicle, across=0.19 * size, deep=0.26 * size, cortex=0.32, up=(1.0, 0.0, 0.0), sides=10))
        parts.append(tube(wing, across=4.2, deep=3.0, cortex=0.55, up=(0.0, 0.0, 1.0), sides=8))
    return parts


def breastbone(thorax: Thorax) -> Solid:
    """Return manubrium and body of the sternum."""
    z = thorax.tall * np.array([92.0, 88.0, 72.0, 48.0, 44.0, 20.0, -20.0, -58.0, -64.0])
    y = thorax.centre(z) + np.maximum(thorax.depth(z), 0.7 * thorax.half_depth) - 2.0
    half = thorax.bone * np.array([20.0, 26.0, 24.0, 15.0, 14.0, 15.0, 18.0, 13.0, 6.0])
    line = np.stack([thorax.midline(z), y, z], axis=1)
    return tube(line, across=half, deep=4.5, cortex=0.8, up=(1.0, 0.0, 0.0), sides=14)
