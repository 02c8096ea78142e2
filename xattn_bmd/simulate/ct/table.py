"""The table and the calibration phantom on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xattn_bmd.bone.phantom import HA_PHANTOM
from xattn_bmd.simulate.ct.attenuation import MINERAL_HU, Kvp
from xattn_bmd.simulate.ct.grid import Grid, Values, cover

_PAD_MM, _SLAB_MM = 7.0, 30.0
_HALF_SLAB_MM = 88.0
TABLE_TOP_MM = _PAD_MM + _SLAB_MM + 1.0
"""How far the table's surface lies below the skin of the back."""

_CURVE = 0.0011


@dataclass(frozen=True)
class Rods:
    """Where the rods lie.

    Attributes:
        x: ``(R,)`` of each axis, mm.
        y: ``(R,)`` of each axis, mm.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]


def place_rods(rng: np.random.Generator) -> Rods:
    """Draw where the phantom lies: a little aside and a little turned.

    Example:
        >>> rods = place_rods(np.random.default_rng(0))
        >>> [round(after - before) for before, after in zip(rods.x, rods.x[1:])]
        [40, 40, 40]
    """
    aside, turn = (
        float(np.clip(4 * rng.standard_normal(), -10, 10)),
        float(np.clip(0.008 * rng.standard_normal(), -0.02, 0.02)),
    )
    count = len(HA_PHANTOM.densities)
    places = [HA_PHANTOM.spacing_mm * (number - (count - 1) / 2) for number in range(count)]
    middle = _PAD_MM + _SLAB_MM / 2
    return Rods(tuple(aside + place for place in places), tuple(middle + turn * place for place in places))


def lay_table(hu: Values, *, grid: Grid, rods: Rods | None, kvp: Kvp) -> None:
    """Lay pad, phantom and table below the back, in place; they are the same in every slice.

    Args:
        hu: ``(D, H, W)`` HU.
        grid: where the voxels lie.
        rods: of the phantom; None leaves it out, and a mattress lies in its place.
        kvp: tube voltage.
    """
    first = int(np.searchsorted(grid.y, -1.0))
    x, y, pixel = grid.x[None, :], grid.y[first:, None], grid.spacing_mm[1]
    shape = (y.shape[0], x.shape[1])
    layers: list[tuple[Values, float]] = [(np.minimum(y - 0.5, _PAD_MM + _SLAB_MM - y), -930.0)]
    if rods is not None:
        inside = np.minimum(_HALF_SLAB_MM - np.abs(x - np.float32(np.mean(rods.x))), _PAD_MM + _SLAB_MM - y)
        layers.append((np.minimum(inside, y - 0.5), 6.0))
        layers.append((np.minimum(inside, y - _PAD_MM), 0.0))
        for place, height, density in zip(rods.x, rods.y, HA_PHANTOM.densities, strict=True):
            apart = np.sqrt(np.square(x - np.float32(place)) + np.square(y - np.float32(height)))
            layers.append((HA_PHANTOM.radius_mm - apart, MINERAL_HU[kvp] * density))
    top = TABLE_TOP_MM - np.float32(_CURVE) * np.square(x) * (np.abs(x) > _HALF_SLAB_MM)
    layers.append((np.minimum(y - top, 90.0 - y), -880.0))
    layers.append((np.minimum(y - top, top + 2.5 - y), 60.0))
    below, weight = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    for depth, value in layers:
        share = np.broadcast_to(cover(depth.astype(np.float32), pixel), shape)
        below += share * (value - below)
        weight *= 1 - share
    hu[:, first:] *= weight
    hu[:, first:] += (1 - weight) * below
