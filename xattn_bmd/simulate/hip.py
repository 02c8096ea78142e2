"""One simulated hip from person to picture: bone, mineral, pose, soft tissue, exposure, development, truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.simulate.anatomy import Tissue, sample_body, soft_tissue
from xattn_bmd.simulate.dxa import BOX_LENGTH_MM, CORTICAL_MINERAL, Mineral, mineralise
from xattn_bmd.simulate.femur import Femur, sample_femur, turn
from xattn_bmd.simulate.mesh import Floats, ray_thickness
from xattn_bmd.simulate.pelvis import Pelvis, sample_pelvis
from xattn_bmd.simulate.projection import Beam
from xattn_bmd.simulate.site import (
    SITE_PROFILES,
    Site,
    collimated_field,
    develop,
    exposed,
    quantise,
    stamp_marker,
)
from xattn_bmd.simulate.subjects import Hip
from xattn_bmd.simulate.trabeculae import carry_pattern, trabecular_pattern
from xattn_bmd.simulate.xray import Exposure, expose, grouped_spectrum, transmit

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
_POPULATION = (0.88, 0.147)


@dataclass(frozen=True, kw_only=True)
class Pose:
    """How the patient lies.

    Attributes:
        rotation: neck out of the plane of the detector, degrees; 0 is the pose of a DXA scan.
        abduction: degrees.
        flexion: degrees.
    """

    rotation: float
    abduction: float
    flexion: float

    def place(self, vertices: Floats) -> Floats:
        """Return points of the femur ``(N, 3)`` turned about the head centre."""
        turned = turn(vertices, about="z", degrees=self.rotation)
        turned = turn(turned, about="y", degrees=self.abduction)
        return turn(turned, about="x", degrees=self.flexion)


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


def simulate_hip(hip: Hip, *, seed: int, size: int) -> HipPicture:
    """Compute one radiograph; depends on the seed, the hip and the size only.

    Args:
        hip: the person.
        seed: of the cohort.
        size: rows and columns, pixels.

    Example:
        >>> from xattn_bmd.simulate.subjects import draw_hips
        >>> simulate_hip(draw_hips(n=1, preset="hcs", seed=0)[0], seed=0, size=64).pixels.shape
        (64, 64)
    """
    person = np.random.default_rng(np.random.SeedSequence([seed, hip.patient, 1]))
    rng = np.random.default_rng(np.random.SeedSequence([seed, hip.index]))
    site = SITE_PROFILES[hip.site]
    femur = sample_femur(person, height_cm=hip.height, sex=hip.sex)
    pelvis = sample_pelvis(person, head_radius=femur.head_radius, sex=hip.sex)
    body = sample_body(person, bmi=hip.bmi, sex=hip.sex, midline=pelvis.midline)
    beam = _beam(rng, site=site, size=size)
    pose = _pose(rng)
    mineral = _fill(person, rng, femur, bmd=hip.true_bmd)
    areal, outer, inner = _femur_maps(femur, mineral, pose, beam)
    pelvis_outer, pelvis_inner, pelvis_areal = _pelvis_maps(person, pelvis, beam, bmd=hip.true_bmd)
    tissue = soft_tissue(rng, body=body, beam=beam)
    muscle, fat = _displace(tissue, femur=(outer, inner), pelvis=(pelvis_outer, pelvis_inner))
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
    shown = develop(rng, detected, body=covered, inside_mm=inside_mm, spacing_mm=beam.spacing_mm, site=site)
    neck = _neck_mask(femur, mineral, pose, beam) & (outer > 0)
    mirror = slice(None, None, -1) if hip.side == "R" else slice(None)
    shown = stamp_marker(rng, shown[:, mirror], side=hip.side, spacing_mm=beam.spacing_mm)
    return HipPicture(
        pixels=quantise(shown, site=site), site=site, kvp=kvp, beam=beam,
        areal=areal[:, mirror], femur=(outer > 0)[:, mirror], neck=neck[:, mirror],
        pelvis=(pelvis_outer > 0)[:, mirror],
        facts=_facts(hip, femur, mineral, pose, beam, tissue, float(areal[neck].mean()), kvp, body.depth),
    )  # fmt: skip


def _beam(rng: np.random.Generator, *, site: Site, size: int) -> Beam:
    distance = float(rng.choice((1000.0, 1100.0, 1150.0)))
    return Beam(
        size=size,
        spacing_mm=site.field_mm / size,
        source_detector_mm=distance,
        source_hip_mm=distance - float(rng.uniform(105, 155)),
        centre_mm=(float(rng.normal(-8, 7)), float(rng.normal(-38, 9))),
    )


def _pose(rng: np.random.Generator) -> Pose:
    return Pose(
        rotation=float(np.clip(rng.normal(6, 6), -8, 20)),
        abduction=float(np.clip(rng.normal(-1, 3.2), -8, 7)),
        flexion=float(np.clip(rng.normal(0, 2.5), -6, 6)),
    )


def _exposure(rng: np.random.Generator, site: Site) -> Exposure:
    return Exposure(
        photons=site.photons * float(np.exp(rng.normal(0, 0.2))),
        scatter_to_primary=site.scatter_to_primary * float(np.exp(rng.normal(0, 0.15))),
        blur_mm=site.blur_mm,
        heel=float(rng.normal(0, 0.06)),
    )


def _fill(person: np.random.Generator, rng: np.random.Generator, femur: Femur, *, bmd: float) -> Mineral:
    """Share the person's density out between cortex and trabeculae, differently in people of equal density."""
    z_score = (bmd - _POPULATION[0]) / _POPULATION[1]
    share = float(np.clip(0.47 - 0.035 * z_score + person.normal(0, 0.05), 0.30, 0.66))
    shaft = float(np.exp(0.05 * z_score + person.normal(0, 0.10)))
    pattern = trabecular_pattern(rng, z_score=float(np.clip(z_score, -3, 3)))
    return mineralise(femur, bmd=bmd, cortical_share=share, shaft_factor=shaft, pattern=pattern)


def _femur_maps(femur: Femur, mineral: Mineral, pose: Pose, beam: Beam) -> tuple[Image, Image, Image]:
    """Return areal density (g/cm²), outer thickness and endosteal thickness (mm) of the posed femur."""
    shape, faces = (beam.size, beam.size), femur.mesh.faces
    projected = beam.project(pose.place(femur.mesh.vertices))
    outer = ray_thickness(projected, faces, shape=shape)
    inside = beam.project(pose.place(femur.mesh.endosteal(mineral.cortical_factor)))
    inner: Image = np.minimum(ray_thickness(inside, faces, shape=shape), outer)
    spongy = mineral.trabecular * carry_pattern(mineral.pattern, projected, inner > 0)
    areal: Image = ((CORTICAL_MINERAL * (outer - inner) + spongy * inner) / 10).astype(np.float32)
    return areal, outer, inner


def _pelvis_maps(person: np.random.Generator, pelvis: Pelvis, beam: Beam, *, bmd: float) -> tuple[Image, Image, Image]:
    """Return outer and endosteal thickness (mm) and areal density (g/cm²) of pelvis and sacrum."""
    z_score = 0.75 * (bmd - _POPULATION[0]) / _POPULATION[1] + 0.66 * person.standard_normal()
    shape, mesh = (beam.size, beam.size), pelvis.mesh
    outer = ray_thickness(beam.project(mesh.vertices), mesh.faces, shape=shape)
    thick = float(np.clip(1 + 0.12 * z_score, 0.6, 1.5))
    inner: Image = np.minimum(ray_thickness(beam.project(mesh.endosteal(thick)), mesh.faces, shape=shape), outer)
    spongy = float(np.clip(0.125 * (1 + 0.22 * z_score), 0.04, 0.26))
    areal: Image = ((CORTICAL_MINERAL * (outer - inner) + spongy * inner) / 10).astype(np.float32)
    return outer, inner, areal


def _displace(tissue: Tissue, *, femur: tuple[Image, Image], pelvis: tuple[Image, Image]) -> tuple[Image, Image]:
    """Put the bones in the place of muscle: three quarters of cortex is water and collagen, marrow is mostly fat."""
    cortex = femur[0] - femur[1] + pelvis[0] - pelvis[1]
    muscle = tissue.muscle - femur[0] - pelvis[0] + 0.75 * cortex + 0.3 * femur[1] + 0.5 * pelvis[1]
    fat = tissue.fat + 0.65 * femur[1] + 0.45 * pelvis[1]
    return np.maximum(muscle, 0), fat


def _neck_mask(femur: Femur, mineral: Mineral, pose: Pose, beam: Beam) -> Mask:
    """Return the neck box as the posed picture shows it, ``(H, W)``."""
    box, axis = mineral.box, femur.neck_axis
    across = np.array([-axis[2], 0.0, axis[0]])
    ends = [(-0.5, box.above), (0.5, box.above), (0.5, -box.below), (-0.5, -box.below)]
    corners = np.array([(box.distance + half * BOX_LENGTH_MM) * axis + up * across for half, up in ends])
    outline = beam.project(pose.place(corners))[:, :2]
    column, row = np.arange(beam.size)[None, :], np.arange(beam.size)[:, None]
    inside = np.ones((beam.size, beam.size), dtype=bool)
    for (u0, v0), (u1, v1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        inside &= (u1 - u0) * (row - v0) - (v1 - v0) * (column - u0) >= 0
    return inside


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
