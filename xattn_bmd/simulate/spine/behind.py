"""What is drawn around the vertebral bodies without a label: arches, the lower ribs, pelvis and sacrum."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from xattn_bmd.simulate.assets import load_arrays
from xattn_bmd.simulate.chest.loft import Solid, merge, tube
from xattn_bmd.simulate.mesh import Floats, Mesh
from xattn_bmd.simulate.spine.shape import LOW_BACK, TOP_BACK, Body, Place, moved, place_of

_ENDPLATE_FRONT, _ENDPLATE_BACK = (0.0, 88.0), (25.0, 112.0)
"""Edges of the upper endplate of the sacrum in the stored template: y and z, mm."""

_DISC_MM = 8.5


def arches(rng: np.random.Generator, bodies: Sequence[Body], *, bone: float) -> Solid:
    """Return pedicles, articular, transverse and spinous processes of every level.

    Args:
        rng: draws how they vary.
        bodies: from above.
        bone: factor on their calibre.
    """
    parts: list[Solid] = []
    for body in bodies:
        high, low = body.smooth[TOP_BACK], body.smooth[LOW_BACK]
        wall = high - low
        angle = math.atan2(-wall[0], wall[1])
        start = low + 0.70 * wall
        thoracic = body.level.startswith("T")
        small, steep = (0.85, 45.0) if thoracic else (1.0, 14.0)
        parts += _arch(rng, start, angle=angle, bone=bone * small, steep=steep)
    return merge(parts)


_PAIRED = (
    (((-0.5, 1.0, 0), (5, 1.0, 0), (11, 1.0, 0)), (6.5, 5.8, 6.0), 4.0, (0.0, 0.0, 1.0)),
    (((12, 1.0, 2), (11, 1.2, 9), (9.5, 1.25, 16)), (4.5, 4.8, 2.5), 4.5, (1.0, 0.0, 0.0)),
    (((12, 1.0, 2), (17, 0.95, -9), (17, 0.9, -20), (15.5, 0.9, -25)), (4.5, 3.8, 4.6, 2.5), 4.5, (1.0, 0.0, 0.0)),
    (((10, 1.15, 1), (14, 1.9, 1), (17, 2.7, 2)), (4.2, 4.0, 3.0), 2.6, (0.0, 0.0, 1.0)),
    (((14, 1.0, -3), (20, 0.55, -6), (25, 0.1, -8)), (8.0, 8.5, 8.0), 2.8, (0.0, 0.0, 1.0)),
)
"""Pedicle, upper and lower articular, transverse process and lamina of one side: points behind the posterior wall,
aside (in units of 14 mm) and above the pedicle, semi-axes along the last vector and across it, mm.  ASSUMED."""

_ASIDE = 14.0


def _arch(rng: np.random.Generator, start: Floats, *, angle: float, bone: float, steep: float) -> list[Solid]:
    """Return the tubes of one arch; its spinous process falls by ``steep`` degrees."""

    def at(points: Sequence[tuple[float, float, float]], *, side: float) -> Floats:
        given = np.array(points, dtype=np.float64) * bone * np.array([1.0, side * _ASIDE, 1.0])
        cos, sin = math.cos(angle), math.sin(angle)
        x, z = cos * given[:, 0] - sin * given[:, 2], sin * given[:, 0] + cos * given[:, 2]
        return np.stack([start[0] + x, given[:, 1], start[1] + z], axis=1)

    parts = [
        tube(at(points, side=side), across=bone * np.array(across), deep=bone * deep, cortex=0.8, up=up, sides=10)
        for side in (1.0, -1.0)
        for points, across, deep, up in _PAIRED
    ]
    length, fall = 27.0 + rng.normal(0, 2.5), math.tan(math.radians(steep + rng.normal(0, 4)))
    course = [(25 + share * length, 0.0, -8 - fall * share * length) for share in (0.0, 0.3, 0.65, 1.0)]
    high, deep = bone * np.array([8.0, 8.5, 9.5, 8.0]), (2.6, 2.3, 2.9, 3.2)
    parts.append(tube(at(course, side=1.0), across=high, deep=deep, cortex=0.8, up=(0.0, 0.0, 1.0), sides=12))
    return parts


def lower_ribs(rng: np.random.Generator, bodies: Sequence[Body], *, bone: float) -> Solid:
    """Return the tenth to the twelfth pair of ribs, which cross the uppermost bodies."""
    parts = []
    slope = float(np.exp(rng.normal(0, 0.12)))
    for body, reach in zip(bodies[:3], (150.0, 132.0, 88.0), strict=True):
        start = 0.8 * body.smooth[TOP_BACK] + 0.2 * body.smooth[LOW_BACK]
        reach = reach * float(np.exp(rng.normal(0, 0.08)))
        share = np.linspace(0, 1, 18)
        for side in (1.0, -1.0):
            tilt = slope * float(np.exp(rng.normal(0, 0.06)))
            turn = share * reach / 105.0
            x = start[0] + 8 + 26 * np.sin(np.pi * np.clip(1.7 * share, 0, 1)) - 62 * (1 - np.cos(turn))
            y = side * (16 + 112 * np.sin(np.clip(turn, 0, np.pi / 2)))
            z = start[1] - tilt * (66.0 * share * reach / 130.0 + 14 * share**2)
            calibre = bone * np.interp(share, (0, 0.15, 0.6, 1), (4.0, 5.0, 5.8, 3.0))
            line = np.stack([x, y, z], axis=1)
            parts.append(tube(line, across=calibre, deep=3.2 * bone, cortex=0.8, up=(0.0, 0.0, 1.0), sides=10))
    return merge(parts)


def sacral_mesh(rng: np.random.Generator, lowest: Body, *, size: float) -> Mesh:
    """Return the template's pelvis and sacrum, its upper endplate under the fifth lumbar body.

    Args:
        rng: draws the slope between them.
        lowest: the body of L5.
        size: factor on the template.
    """
    stored = load_arrays("pelvis.npz")
    step = float(stored["step_mm"])
    points = stored["vertices"].astype(np.float64) * step * size
    plane = points[:, 1:]
    template = Place(size * np.add(_ENDPLATE_FRONT, _ENDPLATE_BACK) / 2, _slope(_ENDPLATE_FRONT, _ENDPLATE_BACK))
    above = place_of(lowest.smooth, upper=False)
    disc = math.radians(float(np.clip(rng.normal(12, 3.5), 3, 20)))
    angle = above.angle + disc
    down = np.array([math.sin(0.5 * (above.angle + angle)), -math.cos(0.5 * (above.angle + angle))])
    placed = moved(plane, template, Place(above.middle + (_DISC_MM * size) * down, angle))
    middle = float(stored["midline_mm"]) * size
    vertices = np.stack([placed[:, 0], points[:, 0] - middle, placed[:, 1]], axis=1)
    faces = stored["faces"].astype(np.int64)[:, ::-1]  # two axes changed places
    return Mesh(vertices, faces, stored["cortex_mm"] * step * size)


def _slope(front: tuple[float, float], back: tuple[float, float]) -> float:
    return math.atan2(back[1] - front[1], back[0] - front[0])
