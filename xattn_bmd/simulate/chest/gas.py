"""Gas under the diaphragm: the bubble of the stomach, and loops of bowel."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


def belly_gas(rng: np.random.Generator, x: Image, z: Image, *, domes: tuple[float, float], half_width: float) -> Image:
    """Return the depth of gas in the abdomen, ``(H, W)`` mm; it differs from visit to visit.

    Args:
        rng: the only source of randomness.
        x: ``(1, W)`` mm.
        z: ``(H, 1)`` mm.
        domes: height of the left and the right dome of the diaphragm, mm.
        half_width: of the chest, mm.

    Example:
        >>> x, z = np.zeros((1, 4), np.float32), np.zeros((4, 1), np.float32)
        >>> belly_gas(np.random.default_rng(0), x, z, domes=(-84.0, -71.0), half_width=140.0).shape
        (4, 4)
    """
    total = np.zeros(np.broadcast_shapes(x.shape, z.shape), dtype=np.float32)
    if rng.random() < 0.75:
        wide, high = float(rng.uniform(12, 30)), float(rng.uniform(8, 20))
        at = 0.38 * half_width + float(rng.normal(0, 10)), domes[0] - high - float(rng.uniform(7, 14))
        level = at[1] - float(rng.uniform(0.1, 0.9)) * high
        total += bubble(x, z, at=at, wide=wide, high=high, turned=0.0, wobble=0.05) * np.clip((z - level) / 2, 0, 1)
    for _ in range(rng.poisson(2.0)):
        side = 0 if rng.random() < 0.8 else 1
        across = (1 - 2 * side) * float(rng.uniform(0.15, 0.8)) * half_width
        at = across, domes[side] - float(rng.uniform(35 + 50 * side, 110))
        wide, high = float(rng.uniform(7, 18)), float(rng.uniform(5, 12))
        total += bubble(x, z, at=at, wide=wide, high=high, turned=float(rng.uniform(0, math.pi)), wobble=0.15)
    return np.minimum(total, 70.0)


def bubble(
    x: Image, z: Image, *, at: tuple[float, float], wide: float, high: float, turned: float, wobble: float
) -> Image:
    """Return the depth of one uneven ellipsoid of gas, ``(H, W)`` mm.

    Args:
        x: ``(1, W)`` mm.
        z: ``(H, 1)`` mm.
        at: its middle, mm.
        wide: its first semi-axis, mm.
        high: its second one, mm.
        turned: angle of the first semi-axis, radians.
        wobble: how uneven its outline is, a share.
    """
    a = ((x - at[0]) * math.cos(turned) + (z - at[1]) * math.sin(turned)) / wide
    b = ((z - at[1]) * math.cos(turned) - (x - at[0]) * math.sin(turned)) / high
    uneven = 1 + wobble * np.sin(3 * np.arctan2(b, a) + wide)
    depth: Image = np.float32(0.8 * (wide + high)) * np.sqrt(np.maximum(1 - (a * a + b * b) * uneven, 0))
    return depth
