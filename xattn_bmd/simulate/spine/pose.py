"""How a patient lies for one lateral radiograph, the beam, and the field that is exposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xattn_bmd.simulate.develop import Image, collimated_field
from xattn_bmd.simulate.femur import turn
from xattn_bmd.simulate.mesh import Floats
from xattn_bmd.simulate.projection import Beam
from xattn_bmd.simulate.site import Site
from xattn_bmd.simulate.spine.shape import Body, place_of


@dataclass(frozen=True, kw_only=True)
class Lie:
    """How the patient lies, degrees.

    Attributes:
        rotation: about the long axis of the body; both sides no longer fall together.
        sag: of the spine towards the table.
        lean: within the picture.
    """

    rotation: float
    sag: float
    lean: float

    def place(self, points: Floats) -> Floats:
        """Return points ``(N, 3)`` as they lie before the detector."""
        turned = turn(turn(points, about="z", degrees=self.rotation), about="x", degrees=self.sag)
        return turn(turned, about="y", degrees=self.lean)


def sample_lie(rng: np.random.Generator) -> Lie:
    """Draw how a patient lies.

    Example:
        >>> abs(sample_lie(np.random.default_rng(0)).rotation) <= 8
        True
    """
    return Lie(
        rotation=float(np.clip(rng.normal(0, 2.8), -8, 8)),
        sag=float(np.clip(rng.normal(0, 2.5), -7, 7)),
        lean=float(np.clip(rng.normal(0, 3.5), -9, 9)),
    )


def flat(points: Floats, *, lie: Lie, beam: Beam) -> Floats:
    """Return column and row ``(N, 2)`` of points ``(N, 2)`` of the mid-sagittal plane.

    Args:
        points: x and z, mm.
        lie: how the patient lies.
        beam: the geometry.
    """
    world = np.stack([points[:, 0], np.zeros(len(points)), points[:, 1]], axis=1)
    return beam.project(lie.place(world))[:, :2]


def aimed_beam(rng: np.random.Generator, bodies: Sequence[Body], *, site: Site, size: int) -> Beam:
    """Return a beam whose picture shows the spine from the lower thorax to the sacrum.

    Args:
        rng: draws distances and how well the beam is aimed.
        bodies: from T10 to L5.
        site: the hospital.
        size: rows and columns, pixels.
    """
    distance = float(rng.choice((1000.0, 1100.0, 1150.0)))
    top, low = place_of(bodies[2].smooth, upper=True).middle, place_of(bodies[-1].smooth, upper=False).middle
    return Beam(
        size=size,
        spacing_mm=site.field_mm / size,
        source_detector_mm=distance,
        source_hip_mm=distance * float(rng.uniform(0.775, 0.815)),
        centre_mm=(float(rng.normal(6, 7)), float((top[1] + low[1]) / 2 - 6 + rng.normal(0, 5))),
    )


def exposed_mm(
    rng: np.random.Generator, bodies: Sequence[Body], *, lie: Lie, beam: Beam, site: Site, edge: tuple[float, float]
) -> Image:
    """Return how far each pixel lies inside the exposed field, ``(H, W)`` mm: an upright strip along the spine.

    Args:
        rng: draws the shutters.
        bodies: from T10 to L5.
        lie: how the patient lies.
        beam: the geometry.
        site: the hospital.
        edge: range of the upper shutter, counted in levels from the middle of T10.
    """
    inside = collimated_field(rng, size=beam.size, spacing_mm=beam.spacing_mm, site=site)
    middles = flat(np.stack([body.smooth.mean(axis=0) for body in bodies]), lie=lie, beam=beam)
    upper = np.interp(rng.uniform(*edge), np.arange(len(middles)), middles[:, 1])
    spine = middles[2:].mean(axis=0)[0]
    left, right = spine - rng.uniform(92, 125) / beam.spacing_mm, spine + rng.uniform(92, 130) / beam.spacing_mm
    across, down = np.arange(beam.size)[None], np.arange(beam.size)[:, None]
    strip = np.minimum(np.minimum(across - left, right - across), down - upper) * beam.spacing_mm
    narrowed: Image = np.minimum(inside, strip).astype(np.float32)
    return narrowed
