"""What radiographs of the chest and of the lumbar spine share: bones in the place of muscle, and the exposure.

Apart from the hip's modules: those are frozen with its benchmark, every number in them.
"""

from __future__ import annotations

import math

import numpy as np

from xattn_bmd.simulate.anatomy import Image, Tissue
from xattn_bmd.simulate.site import Site
from xattn_bmd.simulate.xray import Exposure


def displaced(person: np.random.Generator, tissue: Tissue, *, cortex: Image, marrow: Image) -> Tissue:
    """Put bones in the place of muscle: three quarters of cortex is water and collagen; some marrow is fat.

    Args:
        person: draws how much of the marrow is fat.
        tissue: the body without its bones.
        cortex: ``(H, W)`` path through cortex, mm.
        marrow: ``(H, W)`` path through marrow, mm.
    """
    fatty = min(max(float(person.normal(0.5, 0.15)), 0.1), 0.9)
    lean = tissue.muscle - 0.25 * cortex - (0.05 + fatty) * marrow
    return Tissue(np.maximum(lean, 0), tissue.fat + fatty * marrow)


def exposure_of(site: Site, rng: np.random.Generator) -> Exposure:
    """Return how one chest or spine is exposed, around what is usual in the hospital.

    Args:
        site: the hospital.
        rng: the only source of randomness.

    Example:
        >>> from xattn_bmd.simulate.site import SITE_PROFILES
        >>> exposure_of(SITE_PROFILES["site_a"], np.random.default_rng(0)).blur_mm
        0.22
    """
    return Exposure(
        photons=site.photons * math.exp(rng.normal(0, 0.4)),
        scatter_to_primary=site.scatter_to_primary * math.exp(rng.normal(0, 0.3)),
        blur_mm=site.blur_mm,
        heel=float(rng.normal(0, 0.06)),
    )
