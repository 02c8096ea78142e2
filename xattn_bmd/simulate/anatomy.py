"""Soft tissue around the hip: thickness of muscle and fat along each ray, and bowel gas.

The body is an elliptic trunk that turns into two elliptic thighs, wrapped in subcutaneous fat; muscle bellies,
fascial planes and gas are laid over it. Depth follows body mass index and sex. All of it is a modelling assumption.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from xattn_bmd.simulate.projection import Beam
from xattn_bmd.simulate.xray import smooth_coarsely

Image = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Body:
    """Size of one body at the level of the hip, mm.

    Attributes:
        depth: front to back at the trunk.
        half_width: mid-sagittal plane to the skin.
        thigh: radius of the thigh.
        gap: half the distance between the thighs below the perineum; negative where they press together.
        fat: thickness of the subcutaneous fat.
        midline: x of the mid-sagittal plane.
    """

    depth: float
    half_width: float
    thigh: float
    gap: float
    fat: float
    midline: float


@dataclass(frozen=True)
class Tissue:
    """Path lengths ``(H, W)`` through the body without its bones, mm."""

    muscle: Image
    fat: Image

    @property
    def total(self) -> Image:
        """Muscle and fat together, mm."""
        return self.muscle + self.fat


def sample_body(rng: np.random.Generator, *, bmi: float, sex: str, midline: float) -> Body:
    """Draw the size of a body from its mass index and sex."""
    excess = float(np.clip(bmi, 16, 50)) - 27.0
    female = sex == "female"
    return Body(
        depth=float((198.0 if female else 206.0) + 5.2 * excess + rng.normal(0, 11)),
        half_width=float((190.0 if female else 186.0) + 3.6 * excess + rng.normal(0, 7)),
        thigh=float((83.0 if female else 81.0) + 1.9 * excess + rng.normal(0, 4)),
        gap=float(rng.normal(1, 6)),
        fat=float(np.clip((21.0 if female else 13.0) + 1.5 * excess + rng.normal(0, 4), 4, 70)),
        midline=midline,
    )


def soft_tissue(inside: np.random.Generator, rng: np.random.Generator, *, body: Body, beam: Beam) -> Tissue:
    """Return muscle and fat along every ray of the picture.

    Args:
        inside: draws what stays with the person: how muscle and fat lie.
        rng: draws what differs from visit to visit: bowel gas.
        body: its size.
        beam: the geometry.

    Example:
        >>> beam = Beam(size=64, spacing_mm=4.0, source_detector_mm=1100.0, source_hip_mm=980.0, centre_mm=(0, -40))
        >>> body = sample_body(np.random.default_rng(0), bmi=27.0, sex="male", midline=-85.0)
        >>> 120 < float(soft_tissue(*map(np.random.default_rng, (0, 1)), body=body, beam=beam).total[24, 32]) < 280
        True
    """
    x, z = beam.plane_axes()
    sigma = 5.0 * beam.magnification / beam.spacing_mm
    skin = smooth_coarsely(_envelope(x, z, body, inset=0.0), sigma=sigma, step=4)
    lean = smooth_coarsely(_envelope(x, z, body, inset=body.fat), sigma=sigma, step=4)
    lean = np.minimum(
        lean
        * (
            1
            + 0.0875 * smooth_noise(inside, beam.size, 26.0 * beam.size / 260)
            + 0.056 * smooth_noise(inside, beam.size, 8.0 * beam.size / 260)
        ),
        skin,
    )
    swap = _bellies(inside, x, z) * np.clip(lean / 150, 0, 1)
    muscle = np.clip(lean * 0.88 + swap, 0.0, skin)
    gas = _gas(rng, x, z, body)
    muscle = np.maximum(muscle - 0.8 * gas, 0)
    fat = np.maximum(skin - np.clip(lean * 0.88 + swap, 0.0, skin) - 0.2 * gas, 0)
    return Tissue(muscle.astype(np.float32), fat.astype(np.float32))


def _envelope(x: Image, z: Image, body: Body, *, inset: float) -> Image:
    """Return the depth of the body, its surface moved inwards by ``inset``, mm."""
    wide = (body.half_width - inset) * (1 - ((z + 40) / 430) ** 2)
    deep = body.depth / 2 - inset
    trunk = 2 * deep * np.maximum(1 - np.abs((x - body.midline) / wide) ** 2.6, 0) ** (1 / 2.3)
    outer = body.thigh * (1 + np.clip(z + 60, -150, 60) / 900)
    radius, axis = outer - inset, body.midline + body.gap + 1.12 * outer + 0.05 * (-60 - z)
    near = np.maximum(1 - ((x - axis) / (radius * 1.12)) ** 2, 0) ** 0.5
    far = np.maximum(1 - ((2 * body.midline - x - axis) / (radius * 1.12)) ** 2, 0) ** 0.5
    thighs = 2 * radius * 0.98 * np.maximum(near, far)
    share = 1 / (1 + np.exp((z + 86 + 0.2 * (x - body.midline)) / 14.0))
    return ((1 - share) * trunk + share * thighs).astype(np.float32)


def smooth_noise(rng: np.random.Generator, size: int, width: float) -> Image:
    """Return smooth unit noise with a correlation length given in pixels."""
    cells = 48
    coarse = gaussian_filter(rng.standard_normal((cells, cells)).astype(np.float32), max(1.0, width * cells / size))
    coarse /= coarse.std()
    field: Image = zoom(coarse, size / cells, order=1, grid_mode=True, mode="nearest")
    return field[:size, :size]


_MUSCLES = (
    ((-62.0, 85.0), (10.0, -62.0), 21.0, 17.0),
    ((62.0, 95.0), (52.0, -8.0), 24.0, 15.0),
    ((-58.0, -60.0), (8.0, -190.0), 20.0, 15.0),
    ((-30.0, -55.0), (22.0, -180.0), 16.0, 11.0),
    ((66.0, -20.0), (50.0, -200.0), 15.0, 11.0),
    ((30.0, 60.0), (52.0, -14.0), 14.0, 10.0),
)
"""Axis start and end (x, z), radius and added muscle, mm: iliopsoas, glutei, adductors, vastus."""


def _bellies(rng: np.random.Generator, x: Image, z: Image) -> Image:
    """Return muscle that takes the place of fat along some bellies; their rims show as soft planes.

    Made at half the resolution of the picture.
    """
    half = np.float32(0.5)
    x, z = half * (x[:, ::2] + x[:, 1::2]), half * (z[::2] + z[1::2])
    total = np.zeros(np.broadcast_shapes(x.shape, z.shape), dtype=np.float32)
    for (x0, z0), (x1, z1), radius, depth in _MUSCLES:
        shift = rng.normal(0, 5, size=4).tolist()
        x0, z0, x1, z1 = x0 + shift[0], z0 + shift[1], x1 + shift[2], z1 + shift[3]
        length = math.hypot(x1 - x0, z1 - z0)
        along = (x - x0) * ((x1 - x0) / length) + (z - z0) * ((z1 - z0) / length)
        across = (x - x0) * ((z1 - z0) / length) - (z - z0) * ((x1 - x0) / length)
        across -= 6 * np.sin(along * (math.pi / length))
        across *= 1 / (radius * math.exp(rng.normal(0, 0.12)))
        inside = np.maximum(1 - across * across, 0)
        inside = np.sqrt(inside * np.sqrt(inside))
        ends = (1 + np.exp(along * (-1 / 6) - 4 / 6)) * (1 + np.exp(along * (1 / 6) - (length + 4) / 6))
        total += 1.2 * depth * math.exp(rng.normal(0, 0.25)) * inside / ends
    enlarged: Image = zoom(total, 2, order=1, grid_mode=True, mode="nearest")
    return enlarged - np.float32(11.0)


def _gas(rng: np.random.Generator, x: Image, z: Image, body: Body) -> Image:
    """Return the depth of bowel gas in the pelvis, mm; none in many pictures."""
    total = np.zeros(np.broadcast_shapes(x.shape, z.shape), dtype=np.float32)
    for _ in range(rng.poisson(1.6)):
        dx, dz = x - (body.midline + float(rng.normal(8, 22))), z - float(rng.uniform(8, 95))
        wide = float(rng.uniform(6, 17))
        high = wide * float(rng.uniform(0.6, 1.3))
        spin = float(rng.uniform(0, math.pi))
        a = dx * (math.cos(spin) / wide) + dz * (math.sin(spin) / wide)
        b = dz * (math.cos(spin) / high) - dx * (math.sin(spin) / high)
        wobble = 1 + 0.12 * np.sin(3 * np.arctan2(b, a) + float(rng.uniform(0, 6)))
        total += 0.75 * (wide + high) * np.sqrt(np.maximum(1 - (a * a + b * b) * wobble, 0))
    return np.minimum(total, 0.3 * body.depth)
