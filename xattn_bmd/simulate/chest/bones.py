"""Bone mineral along every ray: clavicles filled to the person's density, all other bones tied to it loosely."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.simulate.chest.clavicle import Clavicles, sample_clavicles
from xattn_bmd.simulate.chest.loft import Image, Solid
from xattn_bmd.simulate.chest.lumbar import POPULATION
from xattn_bmd.simulate.chest.person import Chest
from xattn_bmd.simulate.chest.ribs import breastbone, rib_cage, spine
from xattn_bmd.simulate.chest.shoulder import shoulders
from xattn_bmd.simulate.chest.thorax import Stance, Thorax
from xattn_bmd.simulate.dxa import CORTICAL_MINERAL
from xattn_bmd.simulate.projection import Beam

_TIES = {"ribs": 0.5, "spine": 0.65, "sternum": 0.5, "shoulders": 0.5}
"""Correlation of the mineral of each group of bones with lumbar density.  ASSUMED."""

_SPONGY = {"ribs": 0.16, "spine": 0.08, "sternum": 0.11, "shoulders": 0.13}
_SPREAD = 0.20
_WALL_SPREAD = 0.13


@dataclass(frozen=True, kw_only=True)
class Bones:
    """All bones along every ray, ``(H, W)``.

    Attributes:
        areal: mineral of all bones, g/cm².
        clavicle_areal: mineral of both clavicles, g/cm².
        clavicle: path through both clavicles, mm.
        cortex: path through cortex, mm.
        marrow: path through marrow, mm.
        clavicles: what fills the clavicles.
    """

    areal: Image
    clavicle_areal: Image
    clavicle: Image
    cortex: Image
    marrow: Image
    clavicles: Clavicles

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where a ray meets a clavicle for at least half a millimetre."""
        return self.clavicle > 0.5


def bone_maps(
    person: np.random.Generator, rng: np.random.Generator, chest: Chest, *, thorax: Thorax, stance: Stance, beam: Beam
) -> Bones:
    """Build and project all bones of a person.

    Args:
        person: draws what stays with the person.
        rng: draws what differs from radiograph to radiograph.
        chest: the person.
        thorax: size of the chest.
        stance: how the patient stands.
        beam: the geometry.
    """
    clavicles = sample_clavicles(person, thorax=thorax, stance=stance, density=chest.clavicle_density)
    outer, inner = clavicles.solid.thickness(stance, beam)
    clavicle_areal = (CORTICAL_MINERAL * (outer - inner) + clavicles.spongy * inner) / 10
    areal, cortex, marrow = clavicle_areal.copy(), outer - inner, inner.copy()
    groups = {
        "ribs": rib_cage(person, thorax),
        "spine": spine(person, thorax),
        "sternum": breastbone(thorax),
        "shoulders": shoulders(rng, thorax=thorax, stance=stance),
    }
    z_score = (chest.true_bmd - POPULATION[0]) / POPULATION[1]
    for name, solid in groups.items():
        own = _TIES[name] * z_score + math.sqrt(1 - _TIES[name] ** 2) * float(person.standard_normal())
        wall, hollow = _thickness(solid, stance, beam, factor=math.exp(_WALL_SPREAD * own))
        spongy = _SPONGY[name] * min(max(1 + _SPREAD * own, 0.3), 2.0)
        areal += (CORTICAL_MINERAL * wall + spongy * hollow) / 10
        cortex, marrow = cortex + wall, marrow + hollow
    return Bones(
        areal=areal.astype(np.float32),
        clavicle_areal=clavicle_areal.astype(np.float32),
        clavicle=outer,
        cortex=cortex.astype(np.float32),
        marrow=marrow.astype(np.float32),
        clavicles=clavicles,
    )


def _thickness(solid: Solid, stance: Stance, beam: Beam, *, factor: float) -> tuple[Image, Image]:
    """Return the path through cortex and marrow, the cortex multiplied by ``factor``."""
    thicker = Solid(solid.outer, solid.outer + factor * (solid.inner - solid.outer), solid.faces)
    outer, inner = thicker.thickness(stance, beam)
    return outer - inner, inner
