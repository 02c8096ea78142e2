"""From detected quanta to the stored picture: collimation, image processing, lead marker, pixel values."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from xattn_bmd.simulate.site import Site
from xattn_bmd.simulate.xray import smooth_coarsely

Image = NDArray[np.float32]
_ADAPTS = 0.6
"""How far the displayed latitude follows each picture; the rest is fixed per site, as in fixed-latitude processing."""


def collimated_field(rng: np.random.Generator, *, size: int, spacing_mm: float, site: Site) -> Image:
    """Return how far each pixel lies inside the exposed field, ``(size, size)`` mm; the field is turned a little."""
    low, high = site.margin_mm
    margins = rng.uniform(low, high, size=4) + np.array([0.0, 0.0, 0.5, 0.5]) * low
    angle = math.radians(min(max(rng.normal(0, 0.8), -2), 2))
    offset = ((np.arange(size) - (size - 1) / 2) * spacing_mm).astype(np.float32)
    x, y = offset[None, :], offset[:, None]
    u, v = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
    half = size * spacing_mm / 2
    inside = np.minimum(
        np.minimum(u + half - margins[2], half - margins[3] - u),
        np.minimum(v + half - margins[0], half - margins[1] - v),
    )
    distance: Image = inside.astype(np.float32)
    return distance


def exposed(inside_mm: Image) -> Image:
    """Return the exposed field with its soft rim: 1 inside, 0 outside."""
    field: Image = np.clip(0.5 + inside_mm / 1.2, 0, 1)
    return field


def develop(
    rng: np.random.Generator,
    detected: Image,
    *,
    body: NDArray[np.bool_],
    inside_mm: Image,
    spacing_mm: float,
    site: Site,
) -> Image:
    """Return the displayed picture ``(H, W)``, 0 black to 1 white, bone bright.

    Logarithm, exposure recognition inside the body, equalisation, edge enhancement, sigmoid look-up table, border.

    Args:
        rng: draws how the recognition varies from picture to picture.
        detected: quanta per pixel, mean 1 in the measuring field.
        body: pixels behind the body and inside the field.
        inside_mm: from :func:`collimated_field`.
        spacing_mm: pixel pitch.
        site: the hospital.
    """
    grey = -np.log(detected)
    grey = np.where(inside_mm > 0, grey, np.float32(np.median(grey[body][::16])))
    low = smooth_coarsely(grey, sigma=45.0 / spacing_mm, step=8)
    detail = grey - gaussian_filter(grey, 1.3 / spacing_mm)
    grey = grey - site.equalise * low + site.edge * detail
    dark, bright = np.percentile(grey[body][::8], [14.0, 99.7]).tolist()
    latitude = site.latitude ** (1 - _ADAPTS) * (bright - dark) ** _ADAPTS * math.exp(rng.normal(0, 0.08))
    centre = 0.5 * (dark + bright) + rng.normal(0, 0.04) * latitude
    level = 0.56 + (grey - centre) / (1.3 * latitude)
    steep = site.steepness * math.exp(rng.normal(0, 0.06))
    middle = 0.54 + rng.normal(0, 0.025)
    floor, ceiling = 1 / (1 + math.exp(steep * (middle + 0.12))), 1 / (1 + math.exp(-steep * (1.1 - middle)))
    shown = np.clip((1 / (1 + np.exp(-steep * (level - middle))) - floor) / (ceiling - floor), 0, 1)
    dark_border = shown * exposed(inside_mm - 3.0)
    bright_border = 1 - (1 - shown) * exposed(inside_mm)
    picture: Image = (dark_border if site.shutter else bright_border).astype(np.float32)
    return picture


def quantise(shown: Image, *, site: Site) -> NDArray[np.uint16]:
    """Return stored pixel values ``(H, W)``: 12 bits in 16, inverted where the site stores MONOCHROME1."""
    low, high = site.stored_range
    tone = 1 - shown if site.photometric == "MONOCHROME1" else shown
    return np.rint(low + tone * (high - low)).astype(np.uint16)


_STROKES = {
    "L": (((0, 10), (0, 0)), ((0, 0), (5.2, 0))),
    "R": (
        ((0, 10), (0, 0)), ((0, 10), (3.4, 10)), ((3.4, 10), (5.0, 9.2)), ((5.0, 9.2), (5.3, 7.6)),
        ((5.3, 7.6), (4.8, 6.0)), ((4.8, 6.0), (3.4, 5.2)), ((3.4, 5.2), (0, 5.2)), ((2.6, 5.2), (5.6, 0)),
    ),
}  # fmt: skip


def stamp_marker(rng: np.random.Generator, shown: Image, *, side: Literal["L", "R"], spacing_mm: float) -> Image:
    """Return the picture with a lead letter L or R in its upper lateral corner."""
    size = shown.shape[1]
    lateral = rng.uniform(0.80, 0.87) * size
    column, row = (lateral if side == "L" else size - lateral - 6 / spacing_mm), rng.uniform(0.08, 0.13) * size
    reach = int(16 / spacing_mm) + 2
    top, left = max(int(row) - 2, 0), max(int(column) - reach // 4, 0)
    window = shown[top : top + reach, left : left + reach]
    x = (np.arange(left, left + window.shape[1])[None, :] - column) * spacing_mm
    y = 10.0 - (np.arange(top, top + window.shape[0])[:, None] - row) * spacing_mm
    nearest = np.min([_distance(x, y, start, end) for start, end in _STROKES[side]], axis=0)
    ink = np.clip(0.5 + (0.85 - nearest) / spacing_mm, 0, 1)
    marked = shown.copy()
    marked[top : top + reach, left : left + reach] = window + (0.98 - window) * ink
    return marked


def _distance(
    x: NDArray[np.float64], y: NDArray[np.float64], start: tuple[float, float], end: tuple[float, float]
) -> NDArray[np.float64]:
    run_x, run_y = end[0] - start[0], end[1] - start[1]
    share = np.clip(((x - start[0]) * run_x + (y - start[1]) * run_y) / (run_x**2 + run_y**2), 0, 1)
    return np.hypot(x - start[0] - share * run_x, y - start[1] - share * run_y)
