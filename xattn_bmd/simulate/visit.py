"""A person under the beam: bones, mineral and pose, and what each ray meets of the femur."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.simulate.anatomy import Body, sample_body
from xattn_bmd.simulate.dxa import BOX_LENGTH_MM, CORTICAL_MINERAL, Mineral, mineralise
from xattn_bmd.simulate.femur import Femur, sample_femur, turn
from xattn_bmd.simulate.mesh import Floats, ray_thickness
from xattn_bmd.simulate.pelvis import Pelvis, sample_pelvis
from xattn_bmd.simulate.person import SIDES, Hip
from xattn_bmd.simulate.projection import Beam
from xattn_bmd.simulate.site import Site, site_of
from xattn_bmd.simulate.trabeculae import carry_pattern, trabecular_pattern

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
POPULATION = (0.88, 0.147)
"""Mean and SD of the density that the bones' z-scores refer to, g/cm²."""

_STRUCTURE_R = 0.45
"""Correlation of trabecular structure with density, about that of the Singh index."""


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
class Visit:
    """What is drawn before any ray is followed.

    Attributes:
        person: generator of what belongs to the person, as the drawing left it.
        inside: generator of what belongs to this hip.
        rng: generator of what belongs to this radiograph.
        site: the hospital.
        femur: in the pose of a DXA scan.
        pelvis: seated on the femoral head.
        body: size of the body.
        beam: the geometry.
        pose: how the patient lies.
        mineral: what fills the femur.
    """

    person: np.random.Generator
    inside: np.random.Generator
    rng: np.random.Generator
    site: Site
    femur: Femur
    pelvis: Pelvis
    body: Body
    beam: Beam
    pose: Pose
    mineral: Mineral


def draw_visit(hip: Hip, *, seed: int, size: int, site: Site | None = None) -> Visit:
    """Draw bones, mineral, pose and beam; depends on the seed, the hip and the size only.

    Args:
        hip: the person.
        seed: of the cohort.
        size: rows and columns, pixels.
        site: another hospital's settings; None takes those of the hip's own.

    Example:
        >>> from xattn_bmd.simulate.subjects import draw_hips
        >>> draw_visit(draw_hips(n=1, preset="hcs", seed=0)[0], seed=0, size=64).beam.size
        64
    """
    person = np.random.default_rng(np.random.SeedSequence([seed, hip.patient, 1]))
    inside = np.random.default_rng(np.random.SeedSequence([seed, hip.patient, 2 + SIDES.index(hip.side)]))
    rng = np.random.default_rng(np.random.SeedSequence([seed, hip.index]))
    usual = site_of(hip.site, rng)
    site = usual if site is None else site
    femur = sample_femur(person, height_cm=hip.height, sex=hip.sex, femora=hip.femora)
    pelvis = sample_pelvis(person, head_radius=femur.head_radius, sex=hip.sex)
    return Visit(
        person=person,
        inside=inside,
        rng=rng,
        site=site,
        femur=femur,
        pelvis=pelvis,
        body=sample_body(person, bmi=hip.bmi, sex=hip.sex, midline=pelvis.midline),
        beam=_beam(rng, site=site, size=size),
        pose=_pose(rng),
        mineral=_fill(person, inside, femur, bmd=hip.true_bmd),
    )


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


def _fill(person: np.random.Generator, inside: np.random.Generator, femur: Femur, *, bmd: float) -> Mineral:
    """Share the person's density out between cortex and trabeculae, differently in people of equal density."""
    z_score = (bmd - POPULATION[0]) / POPULATION[1]
    share = float(np.clip(0.47 - 0.035 * z_score + person.normal(0, 0.11), 0.22, 0.75))
    shaft = float(np.exp(0.05 * z_score + person.normal(0, 0.22)))
    structure = _STRUCTURE_R * z_score + math.sqrt(1 - _STRUCTURE_R**2) * inside.standard_normal()
    pattern = trabecular_pattern(inside, z_score=float(np.clip(structure, -3, 3)))
    return mineralise(femur, bmd=bmd, cortical_share=share, shaft_factor=shaft, pattern=pattern)


def femur_maps(femur: Femur, mineral: Mineral, pose: Pose, beam: Beam) -> tuple[Image, Image, Image]:
    """Return areal density (g/cm²), outer thickness and endosteal thickness (mm) of the posed femur, ``(H, W)``."""
    shape, faces = (beam.size, beam.size), femur.mesh.faces
    projected = beam.project(pose.place(femur.mesh.vertices))
    outer = ray_thickness(projected, faces, shape=shape)
    inside = beam.project(pose.place(femur.mesh.endosteal(mineral.cortical_factor)))
    inner: Image = np.minimum(ray_thickness(inside, faces, shape=shape), outer)
    spongy = mineral.trabecular * carry_pattern(mineral.pattern, projected, inner > 0)
    areal: Image = ((CORTICAL_MINERAL * (outer - inner) + spongy * inner) / 10).astype(np.float32)
    return areal, outer, inner


def neck_mask(femur: Femur, mineral: Mineral, pose: Pose, beam: Beam) -> Mask:
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
