"""Muscle and fat around the chest: trunk, shoulders, neck, arms and breasts, by sex and body mass index."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from xattn_bmd.simulate.anatomy import Tissue, smooth_noise
from xattn_bmd.simulate.chest.thorax import Stance, Thorax, Values
from xattn_bmd.simulate.presets import Sex
from xattn_bmd.simulate.projection import Beam

Image = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Build:
    """Soft tissue of one person, mm.

    Attributes:
        wall: muscle beyond the ribs.
        fat: thickness of the subcutaneous fat.
        breast: depth of a breast; 0 for none.
        breast_radius: its radius.
        breast_z: height of its middle.
        gland: share of it that is glandular.
        neck: half-width of the neck.
    """

    wall: float
    fat: float
    breast: float
    breast_radius: float
    breast_z: float
    gland: float
    neck: float


def sample_build(person: np.random.Generator, *, bmi: float, sex: Sex) -> Build:
    """Draw the soft tissue of a person.

    Example:
        >>> sample_build(np.random.default_rng(0), bmi=26.0, sex="female").breast > 0
        True
    """
    excess, female = float(np.clip(bmi, 16, 45)) - 26.0, sex == "female"
    breast = 30.0 + 2.4 * excess + person.normal(0, 8) if female else 1.6 * excess - 6 + person.normal(0, 4)
    return Build(
        wall=float(np.clip((13.0 if female else 18.0) + 0.35 * excess + person.normal(0, 2), 8, 34)),
        fat=float(np.clip((13.0 if female else 9.0) + 1.25 * excess + person.normal(0, 3), 3, 55)),
        breast=float(np.clip(breast, 8, 90)) if female else float(np.clip(breast, 0, 30)),
        breast_radius=float(np.clip(60.0 + 1.1 * excess + person.normal(0, 5), 45, 90)),
        breast_z=float(person.normal(-46, 12) - 0.6 * excess),
        gland=float(np.clip(person.normal(0.3, 0.12), 0.05, 0.7)),
        neck=float((53.0 if female else 60.0) + 0.7 * excess + person.normal(0, 3)),
    )


def body_tissue(person: np.random.Generator, *, build: Build, thorax: Thorax, stance: Stance, beam: Beam) -> Tissue:
    """Return muscle and fat along every ray as if the body had no air and no bone.

    Args:
        person: draws how muscle and fat lie.
        build: soft tissue of the person.
        thorax: size of the chest.
        stance: how far the shoulders are raised.
        beam: the geometry.
    """
    x, z = beam.plane_axes()
    sigma = 4.0 * beam.magnification / beam.spacing_mm
    step = max(1, int(sigma))
    coarse = _every(x, step), _every(z, step)
    skin, lean = (
        _enlarged(gaussian_filter(depth, sigma / step), step, beam.size)
        for depth in (_envelope(*coarse, build, thorax, stance, inset=inset) for inset in (0.0, build.fat))
    )
    uneven = 0.06 * smooth_noise(person, beam.size, beam.size / 16)
    lean = np.clip(0.9 * lean * (1 + uneven), 0, skin)
    breast = _breasts(x, z, build, thorax, stance)
    muscle = lean + build.gland * breast
    return Tissue(muscle.astype(np.float32), (skin - lean + (1 - build.gland) * breast).astype(np.float32))


def _every(axis: Image, step: int) -> Image:
    """Return the middles of blocks of ``step`` pixels along one axis; the last block may reach over the edge."""
    flat = axis.ravel()
    blocks = np.arange(-(-flat.size // step)) * step + (step - 1) / 2
    middles: Image = (flat[0] + (flat[1] - flat[0]) * blocks).astype(np.float32)
    return middles.reshape([-1 if length > 1 else 1 for length in axis.shape])


def _enlarged(blocks: Values, step: int, size: int) -> Image:
    enlarged: Image = zoom(blocks.astype(np.float32), step, order=1, grid_mode=True, mode="nearest")
    return enlarged[:size, :size]


def _envelope(x: Values, z: Values, build: Build, thorax: Thorax, stance: Stance, *, inset: float) -> Values:
    """Return the depth of the body, its surface moved inwards by ``inset``, mm."""
    grow = build.wall + build.fat - inset
    trunk = _trunk(x, z, thorax, grow=grow)
    parts = [trunk, _neck(x, z, build, thorax, inset=inset)]
    for side, raised in zip((1, -1), stance.raised, strict=True):
        parts.append(_shoulder(side * x, z, build, thorax, raised=raised, inset=inset))
        parts.append(_arm(side * x, z, thorax, raised=raised, grow=0.55 * grow))
    depth: Values = np.maximum.reduce(parts)
    return depth


def _trunk(x: Values, z: Values, thorax: Thorax, *, grow: float) -> Values:
    """Return ribs, chest muscles and abdomen; towards the armpit the muscles of shoulder and back widen the trunk."""
    tall = thorax.tall
    level = np.clip((z / tall + 100) / 300, 0, 1)
    wide = thorax.half_width * (1 - 0.10 * level**2) + 8 + grow
    wide = wide - 14 * np.clip((-z / tall - 110) / 90, 0, 1) ** 2
    deep = thorax.half_depth * (1 - 0.30 * level**2.2) + 2 + grow
    cut = 1 / (1 + np.exp((z / tall - 140) / 15))
    depth: Values = 2 * deep * np.sqrt(np.maximum(1 - np.abs(x / wide) ** 3, 0)) * cut
    return depth


def _neck(x: Values, z: Values, build: Build, thorax: Thorax, *, inset: float) -> Values:
    half = build.neck - 0.75 * inset + 10 * np.clip((150 * thorax.tall - z) / 60, 0, 1)
    return 2 * (68 - 0.4 * inset) * np.sqrt(np.maximum(1 - (x / half) ** 2, 0)) * (z > 90)


def _shoulder(x: Values, z: Values, build: Build, thorax: Thorax, *, raised: float, inset: float) -> Values:
    """Return the slope from neck to shoulder, rounded over the joint; ``x`` grows outwards."""
    wide, tall = thorax.shoulder, thorax.tall
    edge = 186.0 * wide + 0.8 * build.fat
    share = np.clip((x - build.neck) / (edge - build.neck), 0, 1)
    top = tall * (192.0 - 54.0 * share**0.6) + 0.85 * raised * share + 0.8 * build.fat
    top = top - 75.0 * (1 - np.sqrt(1 - np.clip((share - 0.6) / 0.4, 0, 1) ** 2))
    below = np.clip(top - inset - z, 0, None)
    thick = 66.0 + 0.8 * (build.wall + build.fat) - inset
    rim = np.clip(below / 62.0, 0, 1)
    inward = np.clip((edge - inset - x) / 34.0, 0, 1)
    fading = 1 / (1 + np.exp(-(z / tall - 56) / 22))
    depth = 2 * thick * np.sqrt(1 - (1 - rim) ** 2) * np.sqrt(1 - (1 - inward) ** 2)
    shown: Values = depth * fading * (x > 0)
    return shown


def _arm(x: Values, z: Values, thorax: Thorax, *, raised: float, grow: float) -> Values:
    wide, tall = thorax.shoulder, thorax.tall
    start, end = (170.0 * wide, 96.0 * tall + raised), (250.0 * wide, -150.0 * tall)
    run, fall = end[0] - start[0], end[1] - start[1]
    length = math.hypot(run, fall)
    along = ((x - start[0]) * run + (z - start[1]) * fall) / length
    apart = ((x - start[0]) * fall - (z - start[1]) * run) / length
    radius = 33.0 + grow - 0.03 * np.clip(along, 0, length)
    path: Values = 2 * np.sqrt(np.maximum(radius**2 - apart**2 - np.minimum(along, 0) ** 2, 0)) * (along < length)
    return path


def _breasts(x: Values, z: Values, build: Build, thorax: Thorax, stance: Stance) -> Values:
    if build.breast <= 0:
        return np.zeros(np.broadcast_shapes(x.shape, z.shape), dtype=np.float32)
    total: Values | float = 0.0
    for side in (1, -1):
        at, _ = stance.shift(side * 0.56 * thorax.half_width, thorax.half_depth, 0)
        across = (x - at) / (build.breast_radius * 1.12)
        up = (z - build.breast_z * thorax.tall) / build.breast_radius
        up = np.where(up > 0, up * 0.8, up * 1.05)
        inside = np.maximum(1 - across**2 - up**2, 0)
        flat = np.clip(up + 0.25, 0, 1)
        total = total + build.breast * np.sqrt(inside) * (1 - flat * (1 - inside))
    return np.asarray(total, dtype=np.float32)
