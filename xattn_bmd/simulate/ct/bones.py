"""Vertebrae laid into a volume: HU of cortex and trabecular bone, discs and canal, and the labels of the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from xattn_bmd.simulate.ct.attenuation import Kvp, bone_hu, mineral_for
from xattn_bmd.simulate.ct.density import LEVELS
from xattn_bmd.simulate.ct.grid import Grid, cover, span
from xattn_bmd.simulate.ct.spine import Spine, Vertebra
from xattn_bmd.simulate.ct.vertebra import Size, Values, arch_distance, body_distances

BODY_LABELS = {level: number for number, level in enumerate(LEVELS, start=1)}
"""Label of each vertebral body in the truth."""

DEEP_MM = 4.0
"""Trabecular bone of the truth lies this deep below the surface of its body."""

METAL_HU = 9000.0
_CORTICAL_MINERAL = 950.0
_ARCH_CORTEX_MM = 0.85
_FINEST_MM = 1.25
_DISC_HU, _SAC_HU = 85.0, 22.0
_REACH = (50.0, 30.0, 62.0)
"""How far a vertebra reaches aside, forwards and backwards of the middle of its body, mm."""

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, kw_only=True)
class Bones:
    """What the vertebrae leave in a volume.

    Attributes:
        bodies: ``(D, H, W)`` label of the body that holds most of a voxel.
        trabecular: ``(D, H, W)`` the same, for bone 4 mm deep in a body, without screws.
        qct: mg/cm³ over the trabecular voxels of each level of which any is shown.
        mineral: true hydroxyapatite of the same, mg/cm³.
        whole: levels whose trabecular bone is shown from end to end.
    """

    bodies: NDArray[np.uint8]
    trabecular: NDArray[np.uint8]
    qct: dict[str, float]
    mineral: dict[str, float]
    whole: tuple[str, ...]


def lay_bones(rng: np.random.Generator, hu: Values, *, grid: Grid, spine: Spine, kvp: Kvp) -> Bones:
    """Lay all vertebrae into a volume of soft tissue, in place, several thin slices to one.

    Args:
        rng: draws the texture, which belongs to the person.
        hu: ``(D, H, W)`` soft tissue, HU.
        grid: where the voxels lie.
        spine: the vertebrae.
        kvp: tube voltage.
    """
    factor = math.ceil(grid.spacing_mm[0] / _FINEST_MM - 1e-6)
    fine = grid.finer(factor)
    centres = [vertebra.centre for vertebra in spine.vertebrae]
    rows = span(grid.y, min(y for _, y, _ in centres) - _REACH[1], max(y for _, y, _ in centres) + _REACH[2])
    columns = span(grid.x, min(x for x, _, _ in centres) - _REACH[0], max(x for x, _, _ in centres) + _REACH[0])
    tissue = np.repeat(hu[:, rows, columns], factor, axis=0)
    bodies, trabecular = np.zeros(tissue.shape, np.uint8), np.zeros(tissue.shape, np.uint8)
    painter = _Painter(fine, rows, columns, spine, kvp, tissue, bodies, trabecular)
    for vertebra in spine.vertebrae:
        seed = rng.integers(2**32)
        painter.soft(vertebra)
        painter.bone(np.random.default_rng(seed), vertebra)
    shape = (grid.shape[0], factor, *tissue.shape[1:])
    hu[:, rows, columns] = tissue.reshape(shape).mean(axis=1)
    return Bones(
        bodies=_coarse(bodies, shape, grid, rows, columns, all_of_them=False),
        trabecular=_coarse(trabecular, shape, grid, rows, columns, all_of_them=True),
        qct={vertebra.level: vertebra.qct for vertebra in spine.vertebrae if vertebra.level in painter.mineral},
        mineral=painter.mineral,
        whole=tuple(painter.whole),
    )


def _coarse(
    labels: NDArray[np.uint8], shape: tuple[int, ...], grid: Grid, rows: slice, columns: slice, *, all_of_them: bool
) -> NDArray[np.uint8]:
    """Return labels of whole slices: of the middle thin slice, or of voxels that agree in all of them."""
    thin = labels.reshape(shape)
    middle = thin[:, shape[1] // 2]
    if all_of_them:
        middle = np.where((thin == middle[:, None]).all(axis=1), middle, 0)
    whole = np.zeros(grid.shape, np.uint8)
    whole[:, rows, columns] = middle
    return whole


class _Painter:
    """Lays one vertebra after the other into thin slices."""

    def __init__(
        self,
        fine: Grid,
        rows: slice,
        columns: slice,
        spine: Spine,
        kvp: Kvp,
        tissue: Values,
        bodies: NDArray[np.uint8],
        trabecular: NDArray[np.uint8],
    ) -> None:
        self._z, self._y, self._x = fine.z, fine.y[rows], fine.x[columns]
        self._spacing = fine.spacing_mm
        self._voxel = max(fine.spacing_mm)
        self._spine, self._kvp = spine, kvp
        self._tissue, self._bodies, self._trabecular = tissue, bodies, trabecular
        self.mineral: dict[str, float] = {}
        self.whole: list[str] = []

    def soft(self, vertebra: Vertebra) -> None:
        """Lay the disc halves and the canal with its fat and its sac."""
        box, (u, v, w) = self._box(vertebra, aside=_REACH[0], high=vertebra.size.half_height + vertebra.size.disc)
        if 0 in self._tissue[box].shape:
            return
        size, hu = vertebra.size, self._tissue[box]
        wall, _ = body_distances(u, v, w, size)
        near = size.half_height + 0.6 * size.disc - np.abs(w)
        share = cover(np.minimum(wall + 1.0, near), self._voxel)
        hu += share * (_DISC_HU - hu)
        wide, deep = size.canal
        radius = np.sqrt(np.square(u / wide) + np.square((v - size.canal_v) / deep))
        for inner, value in ((1.0, -70.0), (0.78, _SAC_HU)):
            share = cover(np.minimum(deep * (inner - radius), near), self._voxel)
            hu += share * (value - hu)

    def bone(self, rng: np.random.Generator, vertebra: Vertebra) -> None:
        """Lay cortex, trabecular bone and screws, and note the labels."""
        reach = vertebra.size.half_height + 16.0
        box, (u, v, w) = self._box(vertebra, aside=_REACH[0], high=reach)
        hu = self._tissue[box]
        if 0 in hu.shape:
            return
        size, spine, kvp = vertebra.size, self._spine, self._kvp
        wall, end = body_distances(u, v, w, size)
        body, arch = np.minimum(wall, end), arch_distance(u, v, w, size)
        inner = np.minimum(wall - spine.wall_mm, end - spine.endplate_mm)
        mineral = self._mineral(rng, vertebra, u=u, v=v, w=w, body=body)
        spongy = bone_hu(mineral, fat_share=spine.fat_share, kvp=kvp)
        cortex = float(bone_hu(_CORTICAL_MINERAL, fat_share=0.2, kvp=kvp))
        shell = cover(np.maximum(body, arch), self._voxel)
        hollow = cover(np.maximum(inner, arch - _ARCH_CORTEX_MM), self._voxel)
        hu += shell * (cortex - hu)
        hu += hollow * (spongy - hu)
        self._note(vertebra, box, body=body, mineral=mineral)
        if vertebra.level in spine.screws:
            self._screw(vertebra, box, u=u, v=v, w=w)

    def _box(self, vertebra: Vertebra, *, aside: float, high: float) -> tuple[Box, tuple[Values, Values, Values]]:
        """Return the box around a vertebra and its own coordinates there: aside, behind, above."""
        x, y, z = vertebra.centre
        up = high * math.cos(vertebra.tilt) + 40.0 * abs(math.sin(vertebra.tilt))
        box = (
            span(self._z, z - up, z + up),
            span(self._y, y - _REACH[1], y + _REACH[2]),
            span(self._x, x - aside, x + aside),
        )
        u = (self._x[box[2]] - np.float32(x))[None, None, :]
        back, above = (self._y[box[1]] - np.float32(y))[None, :, None], (self._z[box[0]] - np.float32(z))[:, None, None]
        sine, cosine = np.float32(math.sin(vertebra.tilt)), np.float32(math.cos(vertebra.tilt))
        return box, (u, back * cosine - above * sine, back * sine + above * cosine)

    def _mineral(
        self, rng: np.random.Generator, vertebra: Vertebra, *, u: Values, v: Values, w: Values, body: Values
    ) -> Values:
        """Return hydroxyapatite of trabecular bone, mg/cm³, whose mean deep in the body is exact."""
        noise = rng.standard_normal(body.shape, dtype=np.float32)
        widths = [0.9 * stretch / side for stretch, side in zip((1.6, 1.0, 1.0), self._spacing, strict=True)]
        texture = gaussian_filter(noise, widths)
        texture *= np.float32(0.16) / texture.std()
        texture += 1.0 + 0.08 * np.square(w / vertebra.size.half_height) + 0.05 * v / vertebra.size.half_depth
        np.maximum(texture, 0.1, out=texture)
        texture *= 1.0 - 0.75 * cover(_vein(u, v, w, vertebra.size), self._voxel)
        deep = body >= DEEP_MM
        usual = float(texture[deep].mean(dtype=np.float64)) if deep.any() else 1.0
        target = mineral_for(vertebra.qct, fat_share=self._spine.fat_share)
        texture *= np.float32(target / usual)
        return texture

    def _note(self, vertebra: Vertebra, box: Box, *, body: Values, mineral: Values) -> None:
        number = BODY_LABELS[vertebra.level]
        self._bodies[box][body >= 0] = number
        deep = body >= DEEP_MM
        if not deep.any():
            return
        self._trabecular[box][deep] = number
        self.mineral[vertebra.level] = float(mineral[deep].mean(dtype=np.float64))
        z, reach = vertebra.centre[2], vertebra.size.half_height + vertebra.size.half_depth * abs(vertebra.tilt)
        if self._z[-1] <= z - reach and z + reach <= self._z[0]:
            self.whole.append(vertebra.level)

    def _screw(self, vertebra: Vertebra, box: Box, *, u: Values, v: Values, w: Values) -> None:
        """Lay a titanium screw through each pedicle; streaks are not simulated."""
        x, z = vertebra.size.pedicle_at
        inwards = 0.18 * (v - vertebra.size.canal_v)
        apart = np.sqrt(np.square(np.abs(u) - x - inwards) + np.square(w - z))
        inside = np.minimum(3.0 - apart, np.minimum(v + 0.4 * vertebra.size.half_depth, vertebra.size.canal_v + 22 - v))
        hu = self._tissue[box]
        hu += cover(inside, self._voxel) * (METAL_HU - hu)
        self._trabecular[box][inside > -DEEP_MM] = 0


def _vein(u: Values, v: Values, w: Values, size: Size) -> Values:
    """Return how deep points lie in the basivertebral vein, mm: a channel that widens towards the canal."""
    calibre = np.clip(0.5 + 1.5 * v / size.half_depth, 0.0, 2.0)
    depth: Values = (calibre - np.sqrt(np.square(0.55 * u) + np.square(w)) - np.where(v < 0, 9.0, 0.0)).astype(
        np.float32
    )
    return depth
