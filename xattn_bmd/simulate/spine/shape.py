"""Outlines of the vertebral bodies: how they vary between people, and what a fracture does to them.

T11 to L4 are fitted to real outlines (NHANES 2013-2014; ``experiments/simulation_assets/spine_asset.py``); T10 and L5
are extrapolated: ASSUMED.  An outline is a ring ``(P, 2)`` of points in mm, x posterior and z up, that runs down the
anterior wall, back along the lower endplate, up the posterior wall and forward along the upper endplate.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from xattn_bmd.errors import SimulationError
from xattn_bmd.simulate.assets import load_arrays
from xattn_bmd.simulate.mesh import Floats
from xattn_bmd.simulate.spine.person import LEVELS, Finding

FINE = 2
"""Points of a ring for each of the stored ones."""

POINTS = 50 * FINE
TOP_FRONT, LOW_FRONT, LOW_BACK, TOP_BACK = 0, 12 * FINE, 28 * FINE, 36 * FINE
_TOP_MIDDLE, _LOW_MIDDLE = 45 * FINE, 21 * FINE
SIX = (TOP_BACK, _TOP_MIDDLE, TOP_FRONT, LOW_FRONT, _LOW_MIDDLE, LOW_BACK)
"""Points of the morphometry: superior posterior, middle, anterior, then inferior anterior, middle, posterior."""

_LIMIT = 2.5
_USUAL_HEIGHT = 166.0
_LARGER = 1.06
"""The source states its unit as about 0.34 mm; its bodies are 5-8 % below anatomical tables.  ASSUMED."""


_TALLER = 1.03
"""A fracture makes no height larger, but for the reading error of real ones."""


class Body(NamedTuple):
    """One vertebral body in the mid-sagittal plane.

    Attributes:
        level: one of :data:`~xattn_bmd.simulate.spine.person.LEVELS`.
        ring: ``(P, 2)`` outline with spurs, steps and dents, mm.
        smooth: ``(P, 2)`` the same without them, which is measured as readers do, mm.
        loss: largest loss of height of the smooth outline against the undeformed one, a share.
        finding: what befell it.
    """

    level: str
    ring: Floats
    smooth: Floats
    loss: float
    finding: Finding


def sample_rings(person: np.random.Generator, *, height_cm: float) -> Floats:
    """Draw the undeformed bodies of a person, ``(8, P, 2)`` mm from T10 to L5, the centre of L3 at the origin.

    Args:
        person: the only source of randomness.
        height_cm: stature, which sets the size: ASSUMED proportional, with 4 % of spread.

    Example:
        >>> sample_rings(np.random.default_rng(0), height_cm=165.0).shape
        (8, 100, 2)
    """
    stored = load_arrays("spine.npz")
    lever = float(stored["lever_mm"])
    pose = _drawn(person, stored["pose_mean"], stored["pose_components"]).reshape(4, 6)
    shape: Floats = _drawn(person, stored["shape_mean"], stored["shape_components"])
    usual = stored["pose_mean"].reshape(4, 6)[3]
    whole = _LARGER * height_cm / _USUAL_HEIGHT * math.exp(person.normal(0, 0.04))
    rings = np.empty((len(LEVELS), 50, 2))
    for row in range(6):
        local = shape[row] * math.exp((pose[3, row] - usual[row]) / lever)
        rings[row + 1] = _turned(local, pose[2, row] / lever) + pose[:2, row]
    rings[0] = _thoracic(shape[0], pose, lever)
    rings[7] = _fifth(person, shape[5], pose, lever)
    rings = whole * rings * np.array([-1.0, -1.0])
    return np.stack([_finer(ring) for ring in rings])


def deform(rng: np.random.Generator, ring: Floats, *, grade: int, loss: float) -> Floats:
    """Return a ring that lost height as fractures do, its lower endplate where it was.

    The mean deformation of the grade, and how heights vary about it, come from real fractures; their amount is set so
    that the largest of the three losses of height is ``loss``.  Depth grows by no more than the mean of real ones.

    Args:
        rng: draws how the fracture varies.
        ring: ``(P, 2)`` undeformed.
        grade: Genant grade; 0 takes the pattern of grade 1.
        loss: largest loss of anterior, middle or posterior height, a share.

    Raises:
        SimulationError: where no such deformation exists.
    """
    if loss <= 0:
        return ring.copy()
    stored = load_arrays("spine.npz")
    size = float(heights(ring)[2]) / 24.0
    pattern = stored["grade_mean"][max(grade, 1)].astype(np.float64)
    scores = np.clip(rng.standard_normal(len(stored["grade_components"])), -1.3, 1.3)
    varied = np.einsum("k,kpd->pd", scores, stored["grade_components"].astype(np.float64))
    along = _in_frame_of(ring, -size * _finer(pattern) * np.array([1.0, 0.0]))
    for share in (0.6, 0.3, 0.0):
        upright = _in_frame_of(ring, -size * _finer(pattern + share * varied) * np.array([0.0, 1.0]))
        amount = _amount(ring, along, upright, loss)
        made = ring if amount is None else _changed(ring, along, upright, amount)
        if amount is not None and bool((heights(made) <= _TALLER * heights(ring)).all()):
            return _rested(made, ring)
    raise SimulationError(f"A body cannot lose {loss:.2f} of its height as fractures of grade {grade} do; lower it.")


def heights(ring: Floats) -> Floats:
    """Return anterior, middle and posterior height of a ring, ``(3,)`` mm.

    Example:
        >>> rings = sample_rings(np.random.default_rng(0), height_cm=165.0)
        >>> bool((heights(rings[4]) > 20).all())
        True
    """
    run = ring[[TOP_FRONT, _TOP_MIDDLE, TOP_BACK]] - ring[[LOW_FRONT, _LOW_MIDDLE, LOW_BACK]]
    return np.sqrt(run[:, 0] ** 2 + run[:, 1] ** 2)


def height_loss(ring: Floats, usual: Floats) -> float:
    """Return the largest loss of height of a ring against the undeformed one, a share."""
    return float((1 - heights(ring) / heights(usual)).max())


def _drawn(person: np.random.Generator, mean: Floats, components: Floats) -> Floats:
    scores = np.clip(person.standard_normal(len(components)), -_LIMIT, _LIMIT)
    drawn: Floats = mean + np.einsum("k,k...->...", scores, components.astype(np.float64))
    return drawn


def _turned(points: Floats, angle: float) -> Floats:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.stack([cos * points[:, 0] - sin * points[:, 1], sin * points[:, 0] + cos * points[:, 1]], axis=1)


def _thoracic(shape: Floats, pose: Floats, lever: float) -> Floats:
    """Return T10: T11 a little smaller, one more step up along the curve."""
    angle = (2 * pose[2, 0] - pose[2, 1]) / lever
    step = _turned((pose[:2, 0] - pose[:2, 1])[None], pose[2, 0] / lever - pose[2, 1] / lever)[0]
    ring: Floats = _turned(0.96 * shape, angle) + pose[:2, 0] + 0.96 * step
    return ring


def _fifth(person: np.random.Generator, shape: Floats, pose: Floats, lever: float) -> Floats:
    """Return L5: L4 with a lower back, tilted further into the lordosis."""
    wedge = np.array([1.03, 0.99]) * shape
    behind = np.clip((wedge[:, :1] - wedge[:, :1].max()) / np.ptp(wedge[:, :1]), -1, 0) ** 2
    wedge = wedge * np.concatenate([np.ones_like(behind), 1 - 0.14 * behind], axis=1)
    further = math.radians(float(np.clip(person.normal(13, 3.5), 5, 21)))
    angle, middle = pose[2, 5] / lever + further, pose[2, 5] / lever + 0.5 * further
    ring: Floats = _turned(wedge, angle) + pose[:2, 5] + _turned(np.array([[0.0, 33.5]]), middle)[0]
    return ring


def _finer(ring: Floats) -> Floats:
    after = np.roll(ring, -1, axis=0)
    steps = [ring + (after - ring) * (part / FINE) for part in range(FINE)]
    finer: Floats = np.stack(steps, axis=1).reshape(-1, 2)
    return finer


def _in_frame_of(ring: Floats, change: Floats) -> Floats:
    """Return displacements given for an upright posterior wall, turned as the ring's wall stands."""
    wall = ring[TOP_BACK] - ring[LOW_BACK]
    return _turned(change, math.atan2(-wall[0], wall[1]))


def _changed(ring: Floats, along: Floats, upright: Floats, amount: float) -> Floats:
    """Return the ring with an amount of a change upright to the endplates, and at most once that along them."""
    changed: Floats = ring + min(amount, 1.0) * along + amount * upright
    return changed


def _amount(ring: Floats, along: Floats, upright: Floats, loss: float) -> float | None:
    """Return how many times the change must be added for the loss; None where it is never reached."""
    low, high = 0.0, 4.0
    if height_loss(_changed(ring, along, upright, high), ring) < loss:
        return None
    for _ in range(26):
        middle = 0.5 * (low + high)
        reached = height_loss(_changed(ring, along, upright, middle), ring)
        low, high = (middle, high) if reached < loss else (low, middle)
    return high


def _rested(ring: Floats, usual: Floats) -> Floats:
    """Return the ring moved and turned so that its lower endplate lies where it was."""
    return moved(ring, place_of(ring, upper=False), place_of(usual, upper=False))


class Place(NamedTuple):
    """Where an endplate lies.

    Attributes:
        middle: ``(2,)`` mm.
        angle: of the line from front to back, radians.
    """

    middle: Floats
    angle: float


def place_of(ring: Floats, *, upper: bool) -> Place:
    """Return where the upper or the lower endplate of a ring lies."""
    front, back = (ring[TOP_FRONT], ring[TOP_BACK]) if upper else (ring[LOW_FRONT], ring[LOW_BACK])
    run = back - front
    return Place((front + back) / 2, math.atan2(run[1], run[0]))


def moved(points: Floats, start: Place, end: Place) -> Floats:
    """Return points ``(N, 2)`` moved as a rigid body that takes one place to another."""
    return _turned(points - start.middle, end.angle - start.angle) + end.middle
