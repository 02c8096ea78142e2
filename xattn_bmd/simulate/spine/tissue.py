"""Muscle, fat and gas around the lumbar spine, seen from the side, and lime in the aorta.  ASSUMED throughout."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from xattn_bmd.simulate.anatomy import Body as Trunk
from xattn_bmd.simulate.anatomy import Image, Tissue, smooth_noise
from xattn_bmd.simulate.chest.gas import bubble
from xattn_bmd.simulate.chest.loft import Solid, merge, tube
from xattn_bmd.simulate.projection import Beam
from xattn_bmd.simulate.spine.shape import LOW_FRONT, TOP_FRONT, Body

_BACK_MM, _WAIST = 92.0, 0.82


def trunk_tissue(person: np.random.Generator, *, trunk: Trunk, beam: Beam) -> Tissue:
    """Return muscle and fat along every ray as if the body had no gas and no bone.

    Args:
        person: draws how muscle and fat lie.
        trunk: its size, from :func:`~xattn_bmd.simulate.anatomy.sample_body`.
        beam: the geometry.
    """
    x, z = beam.plane_axes()
    skin, lean = (_envelope(x, z, trunk, inset=inset) for inset in (0.0, trunk.fat))
    uneven = 1 + 0.05 * smooth_noise(person, beam.size, beam.size / 9)
    uneven += 0.03 * smooth_noise(person, beam.size, beam.size / 28)
    share = float(np.clip(person.normal(0.80, 0.05), 0.6, 0.92))
    muscle = np.clip(share * lean * uneven, 0, skin)
    return Tissue(muscle.astype(np.float32), (skin - muscle).astype(np.float32))


def _envelope(x: Image, z: Image, trunk: Trunk, *, inset: float) -> Image:
    """Return the width of the trunk from side to side, its surface moved inwards by ``inset``, mm."""
    back = _BACK_MM + trunk.fat * 0.8 - inset
    front = -(trunk.depth - _BACK_MM) + inset
    middle, reach = (front + back) / 2, (back - front) / 2
    wider = 1 + 0.10 * np.clip((-z - 40) / 80, 0, 1) + 0.03 * np.clip(z / 100, 0, 1)
    half = (trunk.half_width * _WAIST - inset) * wider
    width = 2 * half * np.maximum(1 - np.abs((x - middle) / reach) ** 2.5, 0) ** (1 / 2.5)
    envelope: Image = np.asarray(width, dtype=np.float32)
    return envelope


def lung_air(rng: np.random.Generator, beam: Beam, *, within: Image) -> Image:
    """Return the air of both lung bases that lie over the lowest thoracic bodies, ``(H, W)`` mm.

    Args:
        rng: draws the height of either dome.
        beam: the geometry.
        within: ``(H, W)`` width of the trunk, of which air takes two fifths at most.
    """
    x, z = beam.plane_axes()
    breath, total = float(rng.normal(0, 9)), np.zeros(within.shape, dtype=np.float32)
    for _ in range(2):
        dome = 116.0 + breath + float(rng.normal(0, 6)) - 0.0026 * (x + 45) ** 2 - 0.12 * np.clip(x, 0, None)
        total += 80.0 * np.sqrt(np.clip((z - dome) / 80.0, 0, 1))
    air: Image = np.minimum(0.75 * total, 0.38 * within).astype(np.float32)
    return air


def bowel_gas(rng: np.random.Generator, beam: Beam) -> Image:
    """Return the depth of bowel gas, ``(H, W)`` mm; most of it lies before the spine, some over it.

    Args:
        rng: the only source of randomness.
        beam: the geometry.
    """
    x, z = beam.plane_axes()
    total = np.zeros(np.broadcast_shapes(x.shape, z.shape), dtype=np.float32)
    for _ in range(rng.poisson(4.0)):
        at = float(min(rng.normal(-66, 26), 30)), float(rng.uniform(-95, 80))
        wide, high = float(rng.uniform(6, 20)), float(rng.uniform(5, 13))
        total += 0.8 * bubble(x, z, at=at, wide=wide, high=high, turned=float(rng.uniform(0, math.pi)), wobble=0.15)
    return np.minimum(total, 60.0)


def aortic_lime(person: np.random.Generator, bodies: Sequence[Body], *, age: float) -> Solid | None:
    """Return flecks of calcified aortic wall in front of L1 to L4; more of them with age, none in many people.

    Args:
        person: the only source of randomness.
        bodies: from T10 to L5.
        age: years.
    """
    flecks = int(person.poisson(max(0.22 * (age - 58), 0.3))) if person.random() < 0.55 else 0
    if not flecks:
        return None
    front = np.concatenate([body.smooth[[TOP_FRONT, LOW_FRONT]] for body in bodies[3:7]])
    order = np.argsort(front[:, 1])
    parts = []
    for _ in range(flecks):
        wall = 7.0 + 16.0 * (person.random() < 0.4) + person.normal(0, 1.2)
        z = person.uniform(front[:, 1].min(), front[:, 1].max()) + np.linspace(0, person.uniform(4, 16), 5)
        x = np.interp(z, front[order, 1], front[order, 0]) - wall + person.normal(0, 0.4, size=5)
        line = np.stack([x, np.full(5, 8.0), z], axis=1)
        calibre = float(person.uniform(0.35, 0.9))
        parts.append(tube(line, across=calibre, deep=2.5, cortex=0.3, up=(1.0, 0.0, 0.0), sides=8))
    return merge(parts)
