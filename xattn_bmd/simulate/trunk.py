"""What radiographs of chest and lumbar spine share: bones in the place of muscle, the exposure, and the film.

Apart from the hip's modules: those are frozen with its benchmark, every number in them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.simulate.anatomy import Image, Tissue
from xattn_bmd.simulate.develop import develop, exposed
from xattn_bmd.simulate.projection import Beam
from xattn_bmd.simulate.site import Site, exam_of
from xattn_bmd.simulate.xray import Exposure, expose, grouped_spectrum, transmit

_EDGE_MM = 4.0
"""The body that sets the processing lies at least so far inside the exposed field."""


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


def developed_film(
    rng: np.random.Generator,
    *,
    areal: Image,
    tissue: Tissue,
    covered: NDArray[np.bool_],
    inside_mm: Image,
    kvp: int,
    beam: Beam,
    site: Site,
) -> Image:
    """Return the grey levels of one exposure: transmission, detection, the hospital's processing.

    Args:
        rng: draws exposure, noise and settings of the examination.
        areal: ``(H, W)`` areal density of all bone, g/cm².
        tissue: soft tissue beside the bones, mm.
        covered: ``(H, W)`` where the body is.
        inside_mm: ``(H, W)`` distance to the edge of the exposed field, mm.
        kvp: tube voltage.
        beam: geometry.
        site: the hospital.
    """
    oblique = beam.obliquity()
    primary = transmit(
        mineral=areal * oblique,
        muscle=tissue.muscle * oblique,
        fat=tissue.fat * oblique,
        spectrum=grouped_spectrum(kvp),
    )
    detected = expose(
        rng,
        primary,
        depth_mm=tissue.total,
        field=exposed(inside_mm),
        spacing_mm=beam.spacing_mm,
        exposure=exposure_of(site, rng),
    )
    body = covered & (inside_mm > _EDGE_MM)
    exam = exam_of(site, rng)
    return develop(rng, detected, body=body, inside_mm=inside_mm, spacing_mm=beam.spacing_mm, site=exam)
