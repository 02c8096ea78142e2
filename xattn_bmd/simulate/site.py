"""Hospitals: how each one exposes, processes and stores its radiographs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from xattn_bmd.errors import SimulationError

BITS = 12
VARIED = "varied"
"""Name of a hospital whose settings are drawn anew for every radiograph; the benchmark contains none."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """One hospital.

    Attributes:
        name: as in the cohort table.
        kvp: tube voltages in use.
        photons: quanta per mm² in the measuring field.
        scatter_to_primary: behind 20 cm of tissue and the grid.
        blur_mm: SD of the detector's point spread.
        field_mm: side of the square picture on the detector.
        margin_mm: smallest and largest width of the collimation border on each side.
        latitude: typical range of log exposure behind the body that is displayed.
        steepness: of the sigmoid look-up table.
        edge: strength of edge enhancement.
        equalise: share of the low frequencies taken away.
        photometric: DICOM photometric interpretation.
        shutter: True blackens the border, False leaves it unexposed (bone-bright).
        stored_range: lowest and highest stored value in use; the VOI window names it.
    """

    name: str
    kvp: tuple[int, ...]
    photons: float
    scatter_to_primary: float
    blur_mm: float
    field_mm: float
    margin_mm: tuple[float, float]
    latitude: float
    steepness: float
    edge: float
    equalise: float
    photometric: Literal["MONOCHROME1", "MONOCHROME2"]
    shutter: bool
    stored_range: tuple[int, int]


SITE_PROFILES: dict[str, Site] = {
    "site_a": Site(
        name="site_a", kvp=(70, 75), photons=5500.0, scatter_to_primary=0.24, blur_mm=0.22, field_mm=286.0,
        margin_mm=(6.0, 24.0), latitude=2.0, steepness=3.6, edge=0.55, equalise=0.30,
        photometric="MONOCHROME2", shutter=True, stored_range=(0, 4095),
    ),
    "site_b": Site(
        name="site_b", kvp=(75, 80), photons=3250.0, scatter_to_primary=0.34, blur_mm=0.30, field_mm=268.0,
        margin_mm=(2.0, 15.0), latitude=1.9, steepness=2.9, edge=0.25, equalise=0.22,
        photometric="MONOCHROME1", shutter=False, stored_range=(260, 3700),
    ),
    "site_c": Site(
        name="site_c", kvp=(85,), photons=4500.0, scatter_to_primary=0.42, blur_mm=0.35, field_mm=302.0,
        margin_mm=(4.0, 30.0), latitude=2.3, steepness=3.2, edge=0.40, equalise=0.12,
        photometric="MONOCHROME2", shutter=False, stored_range=(0, 3000),
    ),
    "site_d": Site(
        name="site_d", kvp=(70,), photons=2500.0, scatter_to_primary=0.22, blur_mm=0.18, field_mm=252.0,
        margin_mm=(2.0, 10.0), latitude=1.7, steepness=4.3, edge=0.85, equalise=0.40,
        photometric="MONOCHROME1", shutter=True, stored_range=(100, 4000),
    ),
}  # fmt: skip
"""``site_a`` and ``site_b`` develop models, ``site_c`` and ``site_d`` are external to them."""


def exam_of(site: Site, rng: np.random.Generator) -> Site:
    """Return the processing of one exam: staff and software set it anew, around what is usual in the hospital.

    Args:
        site: the hospital.
        rng: the only source of randomness.

    Example:
        >>> exam_of(SITE_PROFILES["site_a"], np.random.default_rng(0)).kvp
        (70, 75)
    """
    return replace(
        site,
        latitude=site.latitude * math.exp(rng.normal(0, 0.30)),
        steepness=site.steepness * math.exp(rng.normal(0, 0.24)),
        equalise=min(max(site.equalise + rng.normal(0, 0.20), 0.0), 0.7),
        edge=min(site.edge * math.exp(rng.normal(0, 0.60)), 2.0),
    )


def site_of(name: str, rng: np.random.Generator) -> Site:
    """Return the settings of a hospital; :data:`VARIED` ones are drawn.

    Args:
        name: as in the cohort table.
        rng: the only source of randomness; read for :data:`VARIED` alone.

    Raises:
        SimulationError: if there is no such hospital.

    Example:
        >>> site_of("site_a", np.random.default_rng(0)).kvp
        (70, 75)
    """
    if name == VARIED:
        return _drawn_site(rng)
    if name not in SITE_PROFILES:
        raise SimulationError(
            f"A simulated hospital is one of {', '.join(SITE_PROFILES)}, but {name!r} was given; name one of these."
        )
    return SITE_PROFILES[name]


def _drawn_site(rng: np.random.Generator) -> Site:
    narrow, wide = sorted(rng.uniform(1, 32, size=2).tolist())
    low = int(rng.integers(0, 400))
    return Site(
        name=VARIED,
        kvp=(int(rng.choice((70, 75, 80, 85))),),
        photons=float(np.exp(rng.uniform(np.log(1750), np.log(7500)))),
        scatter_to_primary=float(rng.uniform(0.15, 0.50)),
        blur_mm=float(rng.uniform(0.15, 0.45)),
        field_mm=float(rng.uniform(240, 315)),
        margin_mm=(narrow, wide),
        latitude=float(rng.uniform(1.5, 2.6)),
        steepness=float(rng.uniform(2.4, 5.0)),
        edge=float(rng.uniform(0.0, 1.0)),
        equalise=float(rng.uniform(0.0, 0.5)),
        photometric="MONOCHROME1" if rng.random() < 0.5 else "MONOCHROME2",
        shutter=bool(rng.random() < 0.5),
        stored_range=(low, int(rng.integers(2800, 4096))),
    )
