"""What lies in front of and beside the spine: kidneys, liver, spleen, bowel with gas, vessels with plaques.

Every place and size is an assumption, mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xattn_bmd.simulate.ct.build import Build
from xattn_bmd.simulate.ct.canvas import Canvas
from xattn_bmd.simulate.ct.grid import Values

_LOOPS, _DOTS, _PLAQUES = 22, 14, 12


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What fills the abdomen.

    Attributes:
        loops: ``(K, 5)`` x, y, z, radius and level of the gas of each loop of bowel; -1 for no gas, 1 for full of it.
        dots: ``(M, 3)`` x, y and slope of the small vessels to the bowel, each from -1 to 1.
        plaques: ``(P,)`` where calcium sits around the aorta, radians.
    """

    loops: Values
    dots: Values
    plaques: Values


def sample_contents(person: np.random.Generator, rng: np.random.Generator, build: Build) -> Contents:
    """Draw what fills the abdomen; vessels belong to the person, the bowel to the scan.

    Args:
        person: draws what stays with the person.
        rng: draws what differs from scan to scan.
        build: size of the trunk.
    """
    low, high = -build.back_mm - 50.0, -build.depth + build.fat + 22.0
    room = 0.72 * (build.half_width - build.fat)
    loops = np.stack(
        [
            rng.uniform(-room, room, _LOOPS),
            rng.uniform(min(high, low - 5), low, _LOOPS),
            rng.uniform(-130, 90, _LOOPS),
            rng.uniform(11, 22, _LOOPS),
            np.where(rng.random(_LOOPS) < 0.55, rng.uniform(-0.2, 0.95, _LOOPS), -1.0),
        ],
        axis=1,
    )
    return Contents(
        loops=loops.astype(np.float32),
        dots=person.uniform(-1, 1, size=(_DOTS, 3)).astype(np.float32),
        plaques=person.uniform(0, 2 * np.pi, size=_PLAQUES).astype(np.float32),
    )


def lay_organs(canvas: Canvas, z: float, spine: tuple[float, float], build: Build) -> None:
    """Lay kidneys with their sinus, liver, spleen and pancreas.

    Args:
        canvas: the slice.
        z: its height.
        spine: x and y of the middle of the bodies there.
        build: size of the trunk and of the organs.
    """
    x, y = spine
    size, room = build.organ, build.half_width - build.fat - 16
    for side, top in ((1, 38.0), (-1, 26.0)):
        level = 1 - ((z - top) / (56 * size)) ** 2
        if level > 0:
            grow = float(np.sqrt(level))
            at = x + side * (min(62, 0.52 * room + 10) - 0.10 * (z - top)), y - 2
            canvas.disc(at, (25 * size * grow, 30 * size * grow), 33.0, turn=-0.25 * side)
            canvas.disc((at[0] - 7 * side, at[1] - 4), (9 * grow, 13 * grow), -80.0)
    lobe = float(1 - np.clip((5 - z) / 60, 0, 1) ** 2)
    if lobe > 0.05:
        canvas.disc((-0.70 * room, y - 30), (0.33 * room * lobe, 74 * size * lobe), 57.0, turn=0.15)
        canvas.disc((0.84 * room, y - 8), (0.15 * room * lobe, 48 * size * lobe), 48.0)
    tail = 1 - ((z - 42) / 20) ** 2
    if tail > 0.05:
        grow = float(np.sqrt(tail))
        canvas.disc((x + 12, y - 58), (42 * grow, 11 * grow), 38.0, turn=-0.2)


def lay_bowel(canvas: Canvas, z: float, contents: Contents, build: Build) -> None:
    """Lay the loops that reach this slice, and the vessels to them.  Arguments as above."""
    for x, y, height, radius, gas in contents.loops.tolist():
        level = 1 - ((z - height) / (1.5 * radius)) ** 2
        if level > 0.02:
            size = radius * level**0.5
            canvas.disc((x, y), (1.25 * size, size), 38.0)
            if gas > -1 and size > 5:
                _lay_gas(canvas, x, y, size - 2.5, gas)
    for x, y, slope in contents.dots.tolist():
        at = 0.6 * build.half_width * x + 0.25 * z * slope, -build.back_mm - 55 + 30 * y
        canvas.disc(at, (2.6, 2.6), 42.0)


def _lay_gas(canvas: Canvas, x: float, y: float, size: float, level: float) -> None:
    """Lay gas into the upper part of a loop: it rises to the front of a patient who lies on the back."""
    part = canvas.part(x, y, 1.5 * size)
    if part is not None:
        above = np.float32(level * size + y) - part.y[:, None]
        part.lay(np.minimum(part.ellipse(x, y, (1.25 * size, size)), above), -990.0)


def lay_vessels(
    canvas: Canvas, z: float, spine: tuple[float, float], build: Build, *, contents: Contents, blood: float
) -> None:
    """Lay aorta and inferior vena cava, and the iliac vessels where they have forked.  Arguments as above.

    Args:
        canvas: the slice.
        z: its height.
        spine: x and y of the middle of the bodies there.
        build: size of the organs.
        contents: where the plaques sit.
        blood: HU of blood.
    """
    x, front, size = spine[0], spine[1] - 30.0, build.organ
    fork = float(np.clip((-42 - z) / 60, 0, 1))
    for spread in (0.0,) if fork == 0 else (-1.0, 1.0):
        aorta = x + 9 * (1 - fork) + 34 * spread * fork, front - 1 + 10 * fork
        calibre = (9.5 if fork == 0 else 6.5) * size
        canvas.disc(aorta, (calibre, calibre), blood)
        for number, angle in enumerate(contents.plaques.tolist()):
            if build.plaque > number % 4 / 4 and abs(z - 90 + 16 * number) < 5:
                at = aorta[0] + calibre * float(np.cos(angle)), aorta[1] + calibre * float(np.sin(angle))
                canvas.disc(at, (2.2, 1.6), 650.0)
        cava = x - 15 * (1 - fork) + 30 * spread * fork, front + 3 + 14 * fork
        canvas.disc(cava, (12.0 * size - 3 * fork, 8.5 * size - 2 * fork), blood - 2)
