"""One simulated lateral lumbar spine from person to picture: bones, soft tissue, exposure, development, truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.simulate.anatomy import Tissue, sample_body
from xattn_bmd.simulate.develop import quantise, stamp_marker
from xattn_bmd.simulate.mesh import Floats
from xattn_bmd.simulate.projection import Beam
from xattn_bmd.simulate.site import Site
from xattn_bmd.simulate.spine.bones import Bones, Window, bone_maps
from xattn_bmd.simulate.spine.column import sample_column
from xattn_bmd.simulate.spine.person import Spine
from xattn_bmd.simulate.spine.pose import Lie, aimed_beam, exposed_mm, flat, sample_lie
from xattn_bmd.simulate.spine.presets import SPINE_PRESETS
from xattn_bmd.simulate.spine.shape import SIX, Body, heights
from xattn_bmd.simulate.spine.tissue import bowel_gas, lung_air, trunk_tissue
from xattn_bmd.simulate.trunk import developed_film, displaced
from xattn_bmd.simulate.xray import Image

_INSIDE_MM = 1.0
"""A body is shown whole, and labelled, where all of its silhouette lies this far inside the exposed field."""


@dataclass(frozen=True, kw_only=True)
class Vertebra:
    """One vertebral body that the picture shows whole.

    Attributes:
        body: level, outline and finding.
        window: its silhouette.
        points: ``(6, 2)`` x and y of the six points of morphometry, pixels as boxes count them: superior posterior,
            middle, anterior, then inferior anterior, middle, posterior.
        heights: ``(3,)`` anterior, middle and posterior height, mm in the patient.
    """

    body: Body
    window: Window
    points: Floats
    heights: Floats


@dataclass(frozen=True, kw_only=True)
class SpinePicture:
    """One radiograph with its truth, as displayed: anterior on the left.

    Attributes:
        pixels: ``(H, W)`` stored values.
        site: the hospital.
        kvp: tube voltage.
        beam: the geometry.
        areal: ``(H, W)`` noise-free areal density of all bone, g/cm².
        vertebrae: the bodies that are shown whole, from above.
        facts: name and value of every scalar of the truth table.
    """

    pixels: NDArray[np.uint16]
    site: Site
    kvp: int
    beam: Beam
    areal: Image
    vertebrae: tuple[Vertebra, ...]
    facts: tuple[tuple[str, float], ...]


def simulate_spine(spine: Spine, *, seed: int, size: int, site: Site | None = None) -> SpinePicture:
    """Compute one radiograph; depends on the seed, the person, the size and the hospital's settings only.

    Bones and soft tissue belong to the patient; position, field, gas, breath and exposure to the radiograph.

    Args:
        spine: the person.
        seed: of the cohort.
        size: rows and columns, pixels.
        site: another hospital's settings; None takes those of the person's own.

    Example:
        >>> from xattn_bmd.simulate.spine.people import draw_spines
        >>> simulate_spine(draw_spines(n=1, preset="spine", seed=0)[0], seed=0, size=64).pixels.shape
        (64, 64)
    """
    institution = next(preset for preset in SPINE_PRESETS.values() if preset.letter == spine.letter)
    site = institution.site if site is None else site
    letter = ord(spine.letter)
    person = np.random.default_rng(np.random.SeedSequence([seed, letter, spine.patient, 1]))
    rng = np.random.default_rng(np.random.SeedSequence([seed, letter, spine.index, 0]))
    bodies = sample_column(person, spine)
    lie, beam = sample_lie(rng), aimed_beam(rng, bodies, site=site, size=size)
    trunk = sample_body(person, bmi=spine.bmi, sex=spine.sex, midline=0.0)
    skin = trunk_tissue(person, trunk=trunk, beam=beam)
    bones = bone_maps(person, spine, bodies, lie=lie, beam=beam)
    gas = lung_air(rng, beam, within=skin.total) + bowel_gas(rng, beam)
    tissue = displaced(person, Tissue(skin.muscle - gas, skin.fat), cortex=bones.cortex, marrow=bones.marrow)
    inside_mm = exposed_mm(rng, bodies, lie=lie, beam=beam, site=site, edge=institution.upper_edge)
    kvp = int(rng.choice(site.kvp))
    pixels = _taken(rng, bones, tissue, inside_mm=inside_mm, kvp=kvp, beam=beam, site=site)
    vertebrae = _shown(bodies, bones, lie=lie, beam=beam, inside_mm=inside_mm)
    return SpinePicture(
        pixels=pixels, site=site, kvp=kvp, beam=beam, areal=bones.areal, vertebrae=vertebrae,
        facts=_facts(spine, lie=lie, beam=beam, kvp=kvp, tissue=tissue, shown=len(vertebrae)),
    )  # fmt: skip


def _taken(
    rng: np.random.Generator, bones: Bones, tissue: Tissue, *, inside_mm: Image, kvp: int, beam: Beam, site: Site
) -> NDArray[np.uint16]:
    """Return the stored pixels: transmission, exposure, development, a marker."""
    covered = tissue.total > 100
    shown = developed_film(
        rng, areal=bones.areal, tissue=tissue, covered=covered, inside_mm=inside_mm, kvp=kvp, beam=beam, site=site
    )
    shown = stamp_marker(rng, shown, side="L", spacing_mm=beam.spacing_mm)
    return quantise(shown, site=site)


def _shown(bodies: tuple[Body, ...], bones: Bones, *, lie: Lie, beam: Beam, inside_mm: Image) -> tuple[Vertebra, ...]:
    """Return the bodies whose whole silhouette lies inside the exposed field."""
    shown = []
    for body, window in zip(bodies, bones.windows, strict=True):
        if window is None:
            continue
        height, width = window.mask.shape
        part = inside_mm[window.top : window.top + height, window.left : window.left + width]
        x0, y0, x1, y1 = window.box
        cut = min(x0, y0) <= 0 or max(x1, y1) >= beam.size
        if cut or part[window.mask].min() < _INSIDE_MM:
            continue
        points = flat(body.smooth[list(SIX)], lie=lie, beam=beam) + 0.5
        shown.append(Vertebra(body=body, window=window, points=points, heights=heights(body.smooth)))
    return tuple(shown)


def _facts(
    spine: Spine, *, lie: Lie, beam: Beam, kvp: int, tissue: Tissue, shown: int
) -> tuple[tuple[str, float], ...]:
    middle = beam.size // 2
    return (
        ("true_bmd", spine.true_bmd),
        ("vertebrae", float(shown)),
        ("rotation_deg", lie.rotation),
        ("sag_deg", lie.sag),
        ("lean_deg", lie.lean),
        ("magnification", beam.magnification),
        ("source_detector_mm", beam.source_detector_mm),
        ("tissue_at_centre_mm", float(tissue.total[middle, middle])),
        ("kvp", float(kvp)),
    )
