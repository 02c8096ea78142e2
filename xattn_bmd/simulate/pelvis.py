"""The pelvis and sacrum: one real template, seated on the femoral head and varied in size and tilt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xattn_bmd.simulate.assets import load_arrays
from xattn_bmd.simulate.femur import turn
from xattn_bmd.simulate.mesh import Floats, Mesh


@dataclass(frozen=True)
class Pelvis:
    """A pelvis whose left acetabulum is centred at the origin.

    Attributes:
        mesh: both hemipelves and the sacrum.
        midline: x of the mid-sagittal plane, mm (negative: the left hip lies at the origin).
    """

    mesh: Mesh
    midline: float


def sample_pelvis(rng: np.random.Generator, *, head_radius: float, sex: str) -> Pelvis:
    """Seat the pelvis on a femoral head, leaving a joint space of 3 to 5 mm.

    Args:
        rng: the only source of randomness.
        head_radius: radius of the femoral head, mm.
        sex: women get a wider, lower pelvis than men.

    Example:
        >>> sample_pelvis(np.random.default_rng(0), head_radius=23.0, sex="male").midline < -60
        True
    """
    stored = load_arrays("pelvis.npz")
    vertices = stored["vertices"] * float(stored["step_mm"])
    seat = (head_radius + rng.uniform(2.9, 4.4)) / float(stored["acetabulum_radius_mm"])
    wide = 1.03 if sex == "female" else 0.985
    stretch = np.array([wide, 1.0, 1.0 / wide]) * np.exp(rng.normal(0, 0.025, size=3))
    near = np.exp(-np.sum(vertices**2, axis=1, keepdims=True) / (2 * 42.0**2))
    vertices = vertices * seat * (near + (1 - near) * stretch) + _warp(rng, vertices) * (1 - near)
    tilted: Floats = turn(vertices, about="x", degrees=float(np.clip(rng.normal(0, 5), -10, 10)))
    tilted = turn(tilted, about="z", degrees=float(np.clip(rng.normal(0, 2.0), -5, 5)))
    cortex = stored["cortex_mm"] * float(stored["step_mm"]) * seat
    midline = float(stored["midline_mm"]) * seat * float(stretch[0])
    return Pelvis(Mesh(tilted, stored["faces"].astype(np.int64), cortex), midline)


def _warp(rng: np.random.Generator, vertices: Floats) -> Floats:
    """Return smooth displacements of a few mm, so that no two pelves are similar triangles of one another."""
    waves = rng.normal(0, 1 / 60.0, size=(3, 3))
    phases = rng.uniform(0, 2 * np.pi, size=3)
    displacement: Floats = 2.2 * np.sin(np.einsum("nd,kd->nk", vertices, waves) + phases)
    return displacement
