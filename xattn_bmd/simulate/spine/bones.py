"""Bone mineral along every ray: vertebral bodies with their trabeculae, and all other bones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.simulate.chest.loft import Image, merge
from xattn_bmd.simulate.chest.lumbar import POPULATION
from xattn_bmd.simulate.dxa import CORTICAL_MINERAL
from xattn_bmd.simulate.mesh import Floats, ray_thickness
from xattn_bmd.simulate.projection import Beam
from xattn_bmd.simulate.spine.behind import arches, lower_ribs, sacral_mesh
from xattn_bmd.simulate.spine.person import Spine
from xattn_bmd.simulate.spine.pose import Lie, flat
from xattn_bmd.simulate.spine.shape import LOW_BACK, LOW_FRONT, TOP_BACK, TOP_FRONT, Body
from xattn_bmd.simulate.spine.solid import body_solid
from xattn_bmd.simulate.spine.texture import bone_pattern, carried
from xattn_bmd.simulate.spine.tissue import aortic_lime

_SPONGY, _SPONGY_PER_SD, _SPONGY_RANGE = 0.14, 0.27, (0.04, 0.30)
_WALL_PER_SD = 0.10
_TIE = 0.9
"""Mineral of trabeculae, g/cm³, and thickness of the cortex by lumbar density; how closely they follow it.  ASSUMED."""

_ARCHES, _PELVIS = 0.15, 0.10
_WIDE = {"T10": 1.12, "T11": 1.16, "T12": 1.22, "L1": 1.27, "L2": 1.30, "L3": 1.33, "L4": 1.38, "L5": 1.45}
"""Width of a body from side to side, by its depth from front to back.  ASSUMED, after anatomical tables."""


@dataclass(frozen=True)
class Window:
    """A part of the picture that holds one vertebral body.

    Attributes:
        top: first row.
        left: first column.
        mask: ``(h, w)`` silhouette of the body.
    """

    top: int
    left: int
    mask: NDArray[np.bool_]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """``x0, y0, x1, y1`` of the silhouette, pixels from the outer corner of the first one."""
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        return (
            self.left + int(columns[0]),
            self.top + int(rows[0]),
            self.left + int(columns[-1]) + 1,
            self.top + int(rows[-1]) + 1,
        )


@dataclass(frozen=True)
class Bones:
    """All bones along every ray, ``(H, W)``.

    Attributes:
        areal: mineral, g/cm².
        cortex: path through cortex, mm.
        marrow: path through marrow, mm.
        windows: where each body lies in the picture; None for one beyond its edge.
    """

    areal: Image
    cortex: Image
    marrow: Image
    windows: tuple[Window | None, ...]


def bone_maps(person: np.random.Generator, spine: Spine, bodies: Sequence[Body], *, lie: Lie, beam: Beam) -> Bones:
    """Build and project all bones of a person.

    Args:
        person: draws what stays with the person.
        spine: the person.
        bodies: from T10 to L5.
        lie: how the patient lies.
        beam: the geometry.
    """
    z_score = (spine.true_bmd - POPULATION[0]) / POPULATION[1]
    own = _TIE * z_score + math.sqrt(1 - _TIE**2) * float(person.standard_normal())
    wall = math.exp(_WALL_PER_SD * own)
    spongy = float(np.clip(_SPONGY * (1 + _SPONGY_PER_SD * own), *_SPONGY_RANGE))
    size = spine.height / 168.0 * math.exp(person.normal(0, 0.03))
    areal, cortex, marrow = _other_bones(person, spine, bodies, lie=lie, beam=beam, size=size, wall=wall)
    windows: list[Window | None] = []
    for body, draws in zip(bodies, person.spawn(len(bodies)), strict=True):
        window = _window(body, lie=lie, beam=beam)
        if window is None:
            windows.append(None)
            continue
        rows, columns = window
        outer, inner = _thickness(body, lie=lie, beam=beam, rows=rows, columns=columns, cortex=wall)
        pattern = bone_pattern(draws, body.finding, z_score=own)
        outline = flat(body.ring, lie=lie, beam=beam) - np.array([columns.start, rows.start])
        dense = spongy * carried(pattern, outline, shape=outer.shape)
        areal[rows, columns] += (CORTICAL_MINERAL * (outer - inner) + dense * inner) / 10
        cortex[rows, columns] += outer - inner
        marrow[rows, columns] += inner
        mask = outer > 0.5
        windows.append(Window(rows.start, columns.start, mask) if mask.any() else None)
    return Bones(areal, cortex, marrow, tuple(windows))


def _other_bones(
    person: np.random.Generator, spine: Spine, bodies: Sequence[Body], *, lie: Lie, beam: Beam, size: float, wall: float
) -> tuple[Image, Image, Image]:
    """Return mineral, cortex and marrow of everything but the vertebral bodies."""
    drawn = [arches(person, bodies, bone=size), lower_ribs(person, bodies, bone=size)]
    lime = aortic_lime(person, bodies, age=spine.age_xray)
    outer, inner = merge(drawn if lime is None else [*drawn, lime]).thickness(lie, beam)
    pelvis = sacral_mesh(person, bodies[-1], size=size)

    def path(points: Floats) -> Image:
        return ray_thickness(beam.project(lie.place(points)), pelvis.faces, shape=(beam.size, beam.size))

    whole = path(pelvis.vertices)
    hollow = np.minimum(path(pelvis.endosteal(wall)), whole)
    compact = wall * (outer - inner), whole - hollow
    spongy = _ARCHES * inner + _PELVIS * hollow
    areal = (CORTICAL_MINERAL * (compact[0] + compact[1]) + spongy) / 10
    return areal.astype(np.float32), compact[0] + compact[1], inner + hollow


def _window(body: Body, *, lie: Lie, beam: Beam) -> tuple[slice, slice] | None:
    """Return the rows and columns around a body, as far as the picture reaches."""
    points = flat(body.ring, lie=lie, beam=beam)
    reach = 8.0 * beam.magnification / beam.spacing_mm
    low = np.maximum(np.floor(points.min(axis=0) - reach).astype(int), 0)
    high = np.minimum(np.ceil(points.max(axis=0) + reach).astype(int), beam.size)
    if (high - low < 2).any():
        return None
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _thickness(body: Body, *, lie: Lie, beam: Beam, rows: slice, columns: slice, cortex: float) -> tuple[Image, Image]:
    """Return the path through a body and through its marrow, ``(h, w)`` mm."""
    front, back = body.smooth[[TOP_FRONT, LOW_FRONT]], body.smooth[[TOP_BACK, LOW_BACK]]
    depth = math.hypot(*(back - front).mean(axis=0).tolist())
    solid = body_solid(body.ring, wide=_WIDE[body.level] * depth, cortex=cortex)
    shape, corner = (rows.stop - rows.start, columns.stop - columns.start), (columns.start, rows.start, 0.0)

    def path(points: Floats) -> Image:
        return ray_thickness(beam.project(lie.place(points)) - np.array(corner), solid.faces, shape=shape)

    outer = path(solid.outer)
    return outer, np.minimum(path(solid.inner), outer)
