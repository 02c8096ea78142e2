"""How dense the trabecular bone of one vertebral body is from place to place.

ASSUMED: vertical plates with fewer horizontal ties, coarser in poor bone; bone is denser towards the endplates.  A
fresh fracture packs trabeculae into a band under the upper, less often the lower endplate, by as much as its signs
show: a fifth of the height pressed into a band of 4 mm would more than double its density, and up to 1.4 is added.  An
old one has no band; endplates of old fractures and of worn discs may be sclerotic.  That fresh and old
fractures differ in this way is a modelling assumption, not a measurement.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from xattn_bmd.simulate.mesh import Floats
from xattn_bmd.simulate.spine.person import Finding
from xattn_bmd.simulate.spine.shape import LOW_BACK, LOW_FRONT, POINTS, TOP_BACK

Image = NDArray[np.float32]
_ROWS, _COLUMNS = 112, 128
_HEIGHT_MM = 27.0


def bone_pattern(rng: np.random.Generator, finding: Finding, *, z_score: float) -> Image:
    """Return relative trabecular density ``(112, 128)`` over a body, from its upper endplate and anterior wall.

    Args:
        rng: the only source of randomness.
        finding: of the body.
        z_score: density relative to the population, SD.

    Example:
        >>> bone_pattern(np.random.default_rng(0), Finding(), z_score=0.0).shape
        (112, 128)
    """
    down = np.linspace(0, 1, _ROWS, dtype=np.float32)[:, None]
    level = 0.93 + 0.22 * np.exp(-down * 9) + 0.22 * np.exp(-(1 - down) * 9)
    coarse = float(np.clip(1.0 - 0.12 * z_score, 0.7, 1.5))
    plates = gaussian_filter(rng.standard_normal((_ROWS, _COLUMNS), dtype=np.float32), (11, 1.5 * coarse))
    ties = gaussian_filter(rng.standard_normal((_ROWS, _COLUMNS), dtype=np.float32), (1.6 * coarse, 7))
    cloud = gaussian_filter(rng.standard_normal((_ROWS, _COLUMNS), dtype=np.float32), 13)
    depth = 0.10 * (1.1 - 0.12 * float(np.clip(z_score, -2, 2)))
    texture = 1 + depth * (plates / plates.std() + 0.5 * ties / ties.std()) + 0.05 * cloud / cloud.std()
    pattern: Image = np.maximum(level * texture + _packed(rng, finding, down), 0.05).astype(np.float32)
    return pattern


def _packed(rng: np.random.Generator, finding: Finding, down: Image) -> Image:
    """Return the surplus of density in bands along the endplates, ``(112, 128)``."""
    along = np.linspace(0, 1, _COLUMNS, dtype=np.float32)[None]
    upper = down if rng.random() < 0.78 else 1 - down
    waves = rng.normal(0, 1, size=3)
    bent = 0.03 * (waves[0] * np.sin(3 * along + waves[1]) + waves[2] * np.sin(8 * along))
    height = _HEIGHT_MM * (1 - finding.loss)
    middle, thick = rng.uniform(2.5, 6.5) / height, rng.uniform(1.2, 2.6) / height
    start, end = rng.uniform(-0.2, 0.25), rng.uniform(0.65, 1.2)
    reach = 1 / (1 + np.exp(-(along - start) / 0.06)) / (1 + np.exp((along - end) / 0.06))
    band = finding.signs * rng.uniform(0.4, 1.4) * np.exp(-(((upper - middle - bent) / thick) ** 2)) * reach
    worn = rng.random() < (0.32 if finding.condition == "old" else 0.18)
    rim = rng.uniform(0.1, 0.55) * worn * np.exp(-(((down if rng.random() < 0.5 else 1 - down) * height / 2.6) ** 2))
    surplus: Image = (band + rim).astype(np.float32)
    return surplus


def carried(pattern: Image, outline: Floats, *, shape: tuple[int, int]) -> Image:
    """Return the pattern as it lies in a window of the picture, ``shape``.

    A cubic polynomial takes pixels to the pattern, fitted on the outline.

    Args:
        pattern: from :func:`bone_pattern`.
        outline: ``(P, 2)`` column and row of the outline in the window.
        shape: rows and columns of the window.
    """
    target = _targets()
    origin, spread = outline.mean(axis=0), outline.std(axis=0)
    design = _cubic((outline - origin) / spread)
    normal = np.einsum("ni,nj->ij", design, design) + 1e-9 * np.eye(10)
    weights = np.linalg.solve(normal, np.einsum("ni,nd->id", design, target))
    rows, columns = np.indices(shape).reshape(2, -1)
    place = np.einsum("ni,id->dn", _cubic((np.stack([columns, rows], axis=1) - origin) / spread), weights)
    points = np.stack([place[1] * (_ROWS - 1), place[0] * (_COLUMNS - 1)])
    found: Image = map_coordinates(pattern, points, order=1, mode="nearest", output=np.float32, prefilter=False)
    return found.reshape(shape)


def _targets() -> Floats:
    """Return where each point of a ring lies in the pattern, shares from the front and from the top."""
    place = np.arange(POINTS, dtype=np.float64)
    corners = [0, LOW_FRONT, LOW_BACK, TOP_BACK, POINTS]
    return np.stack([np.interp(place, corners, [0, 0, 1, 1, 0]), np.interp(place, corners, [0, 1, 1, 0, 0])], axis=1)


def _cubic(points: Floats) -> Floats:
    u, v = np.clip(points[:, 0], -3, 3), np.clip(points[:, 1], -3, 3)
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v, u**3, u * u * v, u * v * v, v**3], axis=1)
