"""One simulated chest from person to picture: bones, air, soft tissue, exposure, development, truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.simulate.anatomy import Tissue
from xattn_bmd.simulate.chest.body import body_tissue, sample_build
from xattn_bmd.simulate.chest.bones import Bones, bone_maps
from xattn_bmd.simulate.chest.gas import belly_gas
from xattn_bmd.simulate.chest.lungs import air_path, dome_heights, sample_organs
from xattn_bmd.simulate.chest.person import Chest
from xattn_bmd.simulate.chest.presets import CHEST_SITES
from xattn_bmd.simulate.chest.thorax import Stance, sample_stance, sample_thorax
from xattn_bmd.simulate.chest.vessels import vessels
from xattn_bmd.simulate.develop import collimated_field, quantise, stamp_marker
from xattn_bmd.simulate.projection import Beam
from xattn_bmd.simulate.site import Site
from xattn_bmd.simulate.trunk import developed_film, displaced

Image = NDArray[np.float32]
_INFLATED = 0.82
"""Share of an aerated lung that is air; the rest is blood and tissue."""


@dataclass(frozen=True, kw_only=True)
class ChestPicture:
    """One radiograph with its truth; every array as displayed (the patient's left on the right).

    Attributes:
        pixels: ``(H, W)`` stored values.
        site: the hospital.
        kvp: tube voltage.
        beam: the geometry.
        areal: ``(H, W)`` noise-free areal density of both clavicles, g/cm².
        clavicle: ``(H, W)`` mask of both clavicles.
        facts: name and value of every scalar of the truth table.
    """

    pixels: NDArray[np.uint16]
    site: Site
    kvp: int
    beam: Beam
    areal: Image
    clavicle: NDArray[np.bool_]
    facts: tuple[tuple[str, float], ...]


def simulate_chest(chest: Chest, *, seed: int, size: int, site: Site | None = None) -> ChestPicture:
    """Compute one radiograph; depends on the seed, the person, the size and the hospital's settings only.

    Bones, organs and soft tissue belong to the patient; stance, breath, bowel gas and exposure to the radiograph.

    Args:
        chest: the person.
        seed: of the cohort.
        size: rows and columns, pixels.
        site: another hospital's settings; None takes those of the person's own.

    Example:
        >>> from xattn_bmd.simulate.chest.people import draw_chests
        >>> simulate_chest(draw_chests(n=1, preset="chest", seed=0)[0], seed=0, size=64).pixels.shape
        (64, 64)
    """
    site = CHEST_SITES[chest.site] if site is None else site
    letter = ord(chest.letter)
    person = np.random.default_rng(np.random.SeedSequence([seed, letter, chest.patient, 1]))
    rng = np.random.default_rng(np.random.SeedSequence([seed, letter, chest.index, 0]))
    thorax = sample_thorax(person, height_cm=chest.height, bmi=chest.bmi, sex=chest.sex)
    organs = sample_organs(person, age=chest.age_xray, bmi=chest.bmi)
    build = sample_build(person, bmi=chest.bmi, sex=chest.sex)
    stance, beam = sample_stance(rng), _beam(rng, site=site, size=size)
    bones = bone_maps(person, rng, chest, thorax=thorax, stance=stance, beam=beam)
    domes = dome_heights(organs, thorax=thorax, stance=stance)
    blood = vessels(person, thorax=thorax, floor=min(domes) - 25).path(stance, beam)
    body = body_tissue(person, build=build, thorax=thorax, stance=stance, beam=beam)
    x, z = beam.plane_axes()
    lung, pipe = air_path(x, z, thorax=thorax, organs=organs, stance=stance)
    lung = np.minimum(lung, 0.72 * body.total)
    air = _INFLATED * math.exp(-0.004 * stance.breath) * np.maximum(lung - blood, 0) + pipe
    air += belly_gas(rng, x, z, domes=domes, half_width=thorax.half_width)
    lean = Tissue(body.muscle - air, body.fat)
    around = displaced(person, lean, cortex=bones.cortex, marrow=bones.marrow)
    kvp = int(rng.choice(site.kvp))
    inside_mm = collimated_field(rng, size=size, spacing_mm=beam.spacing_mm, site=site)
    shown = developed_film(
        rng,
        areal=bones.areal,
        tissue=around,
        covered=body.total > 130,
        inside_mm=inside_mm,
        kvp=kvp,
        beam=beam,
        site=site,
    )
    shown = stamp_marker(rng, shown, side="L" if rng.random() < 0.6 else "R", spacing_mm=beam.spacing_mm)
    return ChestPicture(
        pixels=quantise(shown, site=site), site=site, kvp=kvp, beam=beam,
        areal=bones.clavicle_areal, clavicle=bones.mask,
        facts=_facts(chest, bones=bones, stance=stance, beam=beam, kvp=kvp, tissue=around.total),
    )  # fmt: skip


def _beam(rng: np.random.Generator, *, site: Site, size: int) -> Beam:
    distance = float(rng.choice((1500.0, 1800.0, 1830.0)))
    return Beam(
        size=size,
        spacing_mm=site.field_mm / size,
        source_detector_mm=distance,
        source_hip_mm=distance - float(rng.uniform(110, 160)),
        centre_mm=(float(rng.normal(0, 6)), float(rng.normal(0, 9))),
    )


def _facts(
    chest: Chest, *, bones: Bones, stance: Stance, beam: Beam, kvp: int, tissue: Image
) -> tuple[tuple[str, float], ...]:
    middle = beam.size // 2
    return (
        ("true_bmd", chest.true_bmd),
        ("clavicle_density_g_cm3", bones.clavicles.density),
        ("clavicle_areal_g_cm2", float(bones.clavicle_areal[bones.mask].mean())),
        ("cortical_share", bones.clavicles.cortical_share),
        ("trabecular_g_cm3", bones.clavicles.spongy),
        ("rotation_deg", stance.rotation),
        ("tilt_deg", stance.tilt),
        ("raised_left_mm", stance.raised[0]),
        ("raised_right_mm", stance.raised[1]),
        ("diaphragm_raised_mm", stance.breath),
        ("magnification", beam.magnification),
        ("source_detector_mm", beam.source_detector_mm),
        ("tissue_at_centre_mm", float(tissue[middle, middle])),
        ("kvp", float(kvp)),
    )
