"""One simulated hip from person to picture: bone, mineral, pose, soft tissue, exposure, development, truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.simulate.anatomy import Tissue, soft_tissue
from xattn_bmd.simulate.develop import collimated_field, develop, exposed, quantise, stamp_marker
from xattn_bmd.simulate.dxa import CORTICAL_MINERAL, Mineral
from xattn_bmd.simulate.femur import Femur
from xattn_bmd.simulate.mesh import ray_thickness
from xattn_bmd.simulate.pelvis import Pelvis
from xattn_bmd.simulate.person import Hip
from xattn_bmd.simulate.projection import Beam
from xattn_bmd.simulate.site import Site, exam_of
from xattn_bmd.simulate.visit import POPULATION, Pose, draw_visit, femur_maps, neck_mask
from xattn_bmd.simulate.xray import Exposure, expose, grouped_spectrum, transmit

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class HipPicture:
    """One radiograph with its truth; every array as displayed (right hips mirrored).

    Attributes:
        pixels: ``(H, W)`` stored values.
        site: the hospital.
        kvp: tube voltage.
        beam: the geometry.
        areal: ``(H, W)`` noise-free areal density of the femur, g/cm².
        femur: ``(H, W)`` mask.
        neck: ``(H, W)`` mask of the neck box as it lies in the picture.
        pelvis: ``(H, W)`` mask.
        facts: name and value of every scalar of the truth table.
    """

    pixels: NDArray[np.uint16]
    site: Site
    kvp: int
    beam: Beam
    areal: Image
    femur: Mask
    neck: Mask
    pelvis: Mask
    facts: tuple[tuple[str, float], ...]


def simulate_hip(hip: Hip, *, seed: int, size: int, site: Site | None = None) -> HipPicture:
    """Compute one radiograph; depends on the seed, the hip, the size and the hospital's settings only.

    Bones, mineral and soft tissue belong to the patient and the side, pose, exposure and bowel gas to the radiograph:
    two radiographs of one hip differ as two visits do.

    Args:
        hip: the person.
        seed: of the cohort.
        size: rows and columns, pixels.
        site: another hospital's settings, to change the exposure and nothing else; None takes those of the hip's own.

    Example:
        >>> from xattn_bmd.simulate.subjects import draw_hips
        >>> simulate_hip(draw_hips(n=1, preset="hcs", seed=0)[0], seed=0, size=64).pixels.shape
        (64, 64)
    """
    visit = draw_visit(hip, seed=seed, size=size, site=site)
    person, inside, rng, site = visit.person, visit.inside, visit.rng, visit.site
    femur, pelvis, body, mineral = visit.femur, visit.pelvis, visit.body, visit.mineral
    beam, pose = visit.beam, visit.pose
    areal, outer, inner = femur_maps(femur, mineral, pose, beam)
    pelvis_outer, pelvis_inner, pelvis_areal = _pelvis_maps(person, pelvis, beam, bmd=hip.true_bmd)
    tissue = soft_tissue(inside, rng, body=body, beam=beam)
    muscle, fat = _displace(person, tissue, femur=(outer, inner), pelvis=(pelvis_outer, pelvis_inner))
    kvp = int(rng.choice(site.kvp))
    oblique = beam.obliquity()
    primary = transmit(
        mineral=(areal + pelvis_areal) * oblique,
        muscle=muscle * oblique,
        fat=fat * oblique,
        spectrum=grouped_spectrum(kvp),
    )
    inside_mm = collimated_field(rng, size=size, spacing_mm=beam.spacing_mm, site=site)
    detected = expose(
        rng,
        primary,
        depth_mm=tissue.total,
        field=exposed(inside_mm),
        spacing_mm=beam.spacing_mm,
        exposure=_exposure(rng, site),
    )
    covered = (tissue.total > 40) & (inside_mm > 4)
    exam = exam_of(site, rng)
    shown = develop(rng, detected, body=covered, inside_mm=inside_mm, spacing_mm=beam.spacing_mm, site=exam)
    neck = neck_mask(femur, mineral, pose, beam) & (outer > 0)
    mirror = slice(None, None, -1) if hip.side == "R" else slice(None)
    shown = stamp_marker(rng, shown[:, mirror], side=hip.side, spacing_mm=beam.spacing_mm)
    return HipPicture(
        pixels=quantise(shown, site=site), site=site, kvp=kvp, beam=beam,
        areal=areal[:, mirror], femur=(outer > 0)[:, mirror], neck=neck[:, mirror],
        pelvis=(pelvis_outer > 0)[:, mirror],
        facts=_facts(hip, femur, mineral, pose, beam, tissue, float(areal[neck].mean()), kvp, body.depth),
    )  # fmt: skip


def _exposure(rng: np.random.Generator, site: Site) -> Exposure:
    return Exposure(
        photons=site.photons * math.exp(rng.normal(0, 0.44)),
        scatter_to_primary=site.scatter_to_primary * math.exp(rng.normal(0, 0.42)),
        blur_mm=site.blur_mm,
        heel=float(rng.normal(0, 0.06)),
    )


def _pelvis_maps(person: np.random.Generator, pelvis: Pelvis, beam: Beam, *, bmd: float) -> tuple[Image, Image, Image]:
    """Return outer and endosteal thickness (mm) and areal density (g/cm²) of pelvis and sacrum."""
    z_score = 0.48 * (bmd - POPULATION[0]) / POPULATION[1] + 0.88 * person.standard_normal()
    shape, mesh = (beam.size, beam.size), pelvis.mesh
    outer = ray_thickness(beam.project(mesh.vertices), mesh.faces, shape=shape)
    thick = float(np.clip(1 + 0.12 * z_score, 0.6, 1.5))
    inner: Image = np.minimum(ray_thickness(beam.project(mesh.endosteal(thick)), mesh.faces, shape=shape), outer)
    spongy = float(np.clip(0.125 * (1 + 0.22 * z_score), 0.04, 0.26))
    areal: Image = ((CORTICAL_MINERAL * (outer - inner) + spongy * inner) / 10).astype(np.float32)
    return outer, inner, areal


def _displace(
    person: np.random.Generator, tissue: Tissue, *, femur: tuple[Image, Image], pelvis: tuple[Image, Image]
) -> tuple[Image, Image]:
    """Put the bones in the place of muscle: three quarters of cortex is water and collagen, marrow is mostly fat.

    How much of the marrow is fat differs between people.
    """
    fat_femur = min(max(person.normal(0.65, 0.195), 0.2), 0.95)
    fat_pelvis = min(max(person.normal(0.45, 0.195), 0.1), 0.9)
    cortex = femur[0] - femur[1] + pelvis[0] - pelvis[1]
    water = (0.95 - fat_femur) * femur[1] + (0.95 - fat_pelvis) * pelvis[1]
    muscle = tissue.muscle - femur[0] - pelvis[0] + 0.75 * cortex + water
    fat = tissue.fat + fat_femur * femur[1] + fat_pelvis * pelvis[1]
    return np.maximum(muscle, 0), fat


def _facts(
    hip: Hip,
    femur: Femur,
    mineral: Mineral,
    pose: Pose,
    beam: Beam,
    tissue: Tissue,
    posed: float,
    kvp: int,
    depth: float,
) -> tuple[tuple[str, float], ...]:
    middle = beam.size // 2
    return (
        ("true_bmd", hip.true_bmd),
        ("dxa_bmd", mineral.neck_bmd),
        ("posed_neck_bmd", posed),
        ("cortical_share", mineral.cortical_share),
        ("trabecular_g_cm3", mineral.trabecular),
        ("head_radius_mm", femur.head_radius),
        ("anteversion_deg", femur.anteversion),
        ("rotation_deg", pose.rotation),
        ("abduction_deg", pose.abduction),
        ("flexion_deg", pose.flexion),
        ("magnification", beam.magnification),
        ("source_detector_mm", beam.source_detector_mm),
        ("body_depth_mm", depth),
        ("tissue_at_centre_mm", float(tissue.total[middle, middle])),
        ("kvp", float(kvp)),
    )
