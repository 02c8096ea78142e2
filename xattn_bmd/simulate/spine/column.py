"""The bodies of one person, one upon the other: what is fractured sinks, and what stands on it follows."""

from __future__ import annotations

import numpy as np

from xattn_bmd.simulate.spine.person import LEVELS, Spine
from xattn_bmd.simulate.spine.rough import roughened
from xattn_bmd.simulate.spine.shape import (
    Body,
    Place,
    deform,
    height_loss,
    moved,
    place_of,
    sample_rings,
)

_FOLLOWS = 0.6
"""Share of the wedge of a body that the spine above follows; its discs take the rest.  ASSUMED."""


def sample_column(person: np.random.Generator, spine: Spine) -> tuple[Body, ...]:
    """Draw the bodies of a person as they stand, from T10 to L5.

    Args:
        person: draws what stays with the person.
        spine: stature, age and findings.

    Example:
        >>> from xattn_bmd.simulate.spine.people import draw_spines
        >>> column = sample_column(np.random.default_rng(0), draw_spines(n=1, preset="spine", seed=0)[0])
        >>> [body.level for body in column][::7]
        ['T10', 'L5']
    """
    rings = sample_rings(person, height_cm=spine.height)
    draws = person.spawn(len(LEVELS))
    bodies: list[Body] = []
    here = there = place_of(rings[-1], upper=False)
    for row in reversed(range(len(LEVELS))):
        finding, usual = spine.findings[row], rings[row]
        ring = deform(draws[row], usual, grade=finding.grade, loss=finding.loss)
        before, after = place_of(usual, upper=True), place_of(ring, upper=True)
        after = Place(after.middle, before.angle + _FOLLOWS * (after.angle - before.angle))
        shown = roughened(draws[row], ring, finding, age=spine.age_xray)
        lost = height_loss(ring, usual)
        bodies.append(Body(LEVELS[row], moved(shown, here, there), moved(ring, here, there), lost, finding))
        carried = moved(np.stack([after.middle]), here, there)[0]
        here, there = before, Place(carried, after.angle + there.angle - here.angle)
    return tuple(reversed(bodies))
