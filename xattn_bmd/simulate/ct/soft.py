"""Soft tissue of the trunk, slice by slice: skin, fat, the wall of muscle, organs, the muscles of the back, ribs.

Drawn with ellipses around the spine; every place and size is an assumption, mm.
"""

from __future__ import annotations

import numpy as np

from xattn_bmd.simulate.ct.attenuation import TISSUE_HU, Kvp
from xattn_bmd.simulate.ct.build import Build
from xattn_bmd.simulate.ct.canvas import Canvas
from xattn_bmd.simulate.ct.grid import Grid, Values
from xattn_bmd.simulate.ct.organs import lay_bowel, lay_organs, lay_vessels, sample_contents
from xattn_bmd.simulate.ct.spine import Spine

AIR_HU = -1000.0
_SKIN_MM = 2.0
_MOTTLE_HU = 9.0
_MOTTLE_MM = (30.0, 6.0, 6.0)


def soft_tissue(
    person: np.random.Generator, rng: np.random.Generator, *, grid: Grid, spine: Spine, build: Build, kvp: Kvp
) -> Values:
    """Return ``(D, H, W)`` HU of the trunk in air, without vertebrae, table and phantom.

    Args:
        person: draws what stays with the person.
        rng: draws what differs from scan to scan: the bowel.
        grid: where the voxels lie.
        spine: organs lie around it.
        build: soft tissue of the person.
        kvp: tube voltage.
    """
    hu = np.full(grid.shape, AIR_HU, dtype=np.float32)
    contents = sample_contents(person, rng, build)
    fat, muscle, blood = (TISSUE_HU[kvp][name] for name in ("fat", "muscle", "blood"))
    inner = Canvas(np.empty(grid.shape[1:], dtype=np.float32), grid.x, grid.y)
    for number, height in enumerate(grid.z.tolist()):
        middle = spine.line(height)
        inner.hu[...] = fat
        lay_organs(inner, height, middle, build)
        lay_bowel(inner, height, contents, build)
        lay_vessels(inner, height, middle, build, contents=contents, blood=blood - 14)
        canvas = Canvas(hu[number], grid.x, grid.y)
        canvas.lay(_lay_trunk(canvas, build, fat=fat, muscle=muscle + 5), inner.hu)
        _lay_muscles(canvas, height, middle, build, fat=fat, muscle=muscle + 8)
        _lay_ribs(canvas, height, middle)
    _mottle(person, hu, grid)
    return hu


def _lay_trunk(canvas: Canvas, build: Build, *, fat: float, muscle: float) -> Values:
    """Lay skin, subcutaneous fat and the wall of muscle; return how deep each pixel lies inside of that wall."""
    middle, deep = -build.depth / 2, build.depth / 2
    outer = canvas.ellipse(0, middle, (build.half_width, deep), power=2.25)
    outer = np.minimum(outer, -0.5 - canvas.y[:, None])
    back = np.clip((canvas.y[:, None] - middle) / deep, 0, 1)
    canvas.lay(outer, 35.0)
    canvas.lay(outer - _SKIN_MM, fat)
    lean = outer - _SKIN_MM - (build.fat + (build.back_fat - build.fat) * back)
    canvas.lay(lean, muscle)
    inside: Values = lean - 11.0 * build.muscle
    return inside


def _lay_muscles(
    canvas: Canvas, z: float, spine: tuple[float, float], build: Build, *, fat: float, muscle: float
) -> None:
    """Lay psoas, quadratus lumborum and the muscles of the back with the fat between their bundles."""
    x, y = spine
    size, fall = build.muscle, float(np.clip((70 - z) / 160, 0, 1))
    fatty = build.fatty * fat + (1 - build.fatty) * muscle
    deep = 0.42 * (-y - build.back_fat - 22.0) * float(np.clip((z + 125) / 60, 0.6, 1))
    psoas = (5 + 17 * fall) * size
    for side in (1, -1):
        at = x + side * (25 + 0.75 * psoas), y + 2 - 9 * fall
        canvas.disc(at, (psoas, 1.15 * psoas), muscle, turn=-0.2 * side)
        if -75 < z < 80:
            canvas.disc((x + side * (53 + 14 * fall), y + 19), (17 * size, 7.5 * size), muscle, turn=0.35 * side)
        canvas.disc((x + side * 37, -build.back_fat - 3 - deep), (33 * size, deep), fatty, turn=-0.12 * side)
        canvas.disc((x + side * 13, -build.back_fat - 6 - 0.85 * deep), (12.5, 0.8 * deep), fatty - 8)


def _lay_ribs(canvas: Canvas, z: float, spine: tuple[float, float]) -> None:
    """Lay the two lowest ribs where they cross the slice."""
    x, y = spine
    for start, slope, end in ((118.0, 0.55, 88.0), (152.0, 0.6, 150.0)):
        out = (start - z) / slope
        if 40 < out < end:
            for side in (1, -1):
                at = x + side * out, y + 34 - 0.0028 * (out - 30) ** 2
                canvas.disc(at, (9.0, 5.0), 520.0, turn=0.3 * side)
                canvas.disc(at, (7.0, 3.2), 120.0, turn=0.3 * side)


def _mottle(person: np.random.Generator, hu: Values, grid: Grid) -> None:
    """Make tissue uneven, in place: strands and lobules that run along the body."""
    extents = zip(grid.shape, grid.spacing_mm, _MOTTLE_MM, strict=True)
    field = person.standard_normal([max(2, round(side * mm / cell)) for side, mm, cell in extents], dtype=np.float32)
    for axis, length in enumerate(grid.shape):
        at = np.linspace(0, field.shape[axis] - 1, length, dtype=np.float32)
        low = np.minimum(at.astype(int), field.shape[axis] - 2)
        share = (at - low).reshape([-1 if other == axis else 1 for other in range(3)])
        field = np.take(field, low, axis) * (1 - share) + np.take(field, low + 1, axis) * share
    hu += np.float32(_MOTTLE_HU) * field * (np.abs(hu) < 300)
