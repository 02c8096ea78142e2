"""What age and fracture leave on the outline of a vertebral body: steps, notches, spurs.  ASSUMED throughout."""

from __future__ import annotations

import numpy as np

from xattn_bmd.simulate.mesh import Floats
from xattn_bmd.simulate.spine.person import Finding
from xattn_bmd.simulate.spine.shape import LOW_FRONT, POINTS, TOP_BACK, TOP_FRONT
from xattn_bmd.simulate.spine.solid import outward


def roughened(rng: np.random.Generator, ring: Floats, finding: Finding, *, age: float) -> Floats:
    """Return a ring with what age and fracture leave on the outline.

    ASSUMED, from how such radiographs are described: a fresh fracture breaks the anterior wall in a step and the upper
    endplate in a notch, by up to 2.4 mm, by as much as its signs show; an old one is smooth, a quarter keep a trace of
    the step; spurs grow at the anterior corners of old fractures and of aged spines; Schmorl's nodes dent any endplate.

    Args:
        rng: the only source of randomness.
        ring: ``(P, 2)`` outline.
        finding: of the body.
        age: years.
    """
    place, across = np.arange(POINTS, dtype=np.float64), outward(ring)
    old = finding.condition == "old"
    step, notch = finding.signs * rng.uniform(0.6, 2.4), finding.signs * rng.uniform(0.4, 2.4)
    trace = rng.uniform(0.2, 0.8) if rng.random() < 0.25 and old else 0.0
    out = _step(rng, place) * max(step, trace) - _dent(rng, place, width=(0.04, 0.10)) * notch
    node = rng.uniform(0.8, 2.6) if rng.random() < 0.08 else 0.0
    out = out - _dent(rng, place, width=(0.08, 0.16)) * node
    spurred = rng.random(2) < min(max(0.10 + 0.012 * (age - 55) + 0.2 * old, 0.05), 0.8)
    spurs = rng.gamma(2.0, 0.8, size=2) * spurred
    front = np.array([1.0, 0.0]) * np.sign(ring[TOP_FRONT, 0] - ring[TOP_BACK, 0])
    for corner, length in zip((TOP_FRONT, LOW_FRONT), np.minimum(spurs, 5.0), strict=True):
        apart = (place - corner + POINTS // 2) % POINTS - POINTS // 2
        ring = ring + (length * np.exp(-((apart / 2.2) ** 2)))[:, None] * front
    return ring + out[:, None] * across


def _step(rng: np.random.Generator, place: Floats) -> Floats:
    """Return a step of height 1 in the anterior wall: above it the wall stands out and falls back to the corner."""
    share = np.where(place <= LOW_FRONT, place / LOW_FRONT, 2.0)
    at = rng.uniform(0.15, 0.55)
    edge = 1 / (1 + np.exp(-(at - share) / 0.02))
    step: Floats = edge * np.exp(-np.maximum(at - share, 0) / 0.16)
    return step


def _dent(rng: np.random.Generator, place: Floats, *, width: tuple[float, float]) -> Floats:
    """Return a dent of depth 1 in the upper endplate, which more often breaks than the lower one."""
    share = np.where(place >= TOP_BACK, (place - TOP_BACK) / (POINTS - TOP_BACK), 2.0)
    dent: Floats = np.exp(-(((share - rng.uniform(0.2, 0.8)) / rng.uniform(*width)) ** 2))
    return dent
