"""Shoulder blades and upper arms."""

from __future__ import annotations

import numpy as np

from xattn_bmd.simulate.chest.loft import Solid, merge, tube
from xattn_bmd.simulate.chest.thorax import Stance, Thorax
from xattn_bmd.simulate.mesh import Floats

_BLADE = (
    (119, -58, 112),
    (122, -63, 104),
    (130, -66, 84),
    (131, -67, 60),
    (129, -66, 35),
    (127, -63, 8),
    (126, -60, -6),
)
_BLADE_HALF = (4, 14, 21, 17, 12.5, 7, 2.5)
_SPINE_HALF, _SPINE_DEEP = (1.5, 2.5, 3.5, 4.4, 4.8, 4.2, 1.5), (1.5, 2.5, 4.0, 7.0, 9.5, 8.0, 2.5)
_GLENOID_HALF, _CORACOID_HALF = (2.0, 5.5, 6.5, 5.5, 2.0), (5.5, 5.0, 4.5, 1.5)
_BORDER = ((152, -44, 92), (148, -50, 78), (142, -55, 55), (135, -59, 25), (128, -60, 2), (125, -60, -6))
_SPINE = (
    (114, -80, 88),
    (128, -82, 98),
    (144, -74, 108),
    (158, -56, 117),
    (166, -36, 122),
    (167, -18, 121),
    (160, -8, 119),
)
_GLENOID = ((154, -40, 74), (156, -38, 82), (156, -37, 92), (155, -37, 101), (153, -38, 107))
_CORACOID = ((150, -30, 104), (147, -16, 109), (142, -4, 106), (139, 4, 101))
_HUMERUS = (
    (161, -30, 117), (163, -30, 114), (166, -30, 108), (169, -30, 99), (172, -30, 88), (176, -30, 77),
    (182, -29, 62), (189, -28, 40), (201, -27, 0), (220, -26, -60), (255, -25, -170),
)  # fmt: skip
_HUMERUS_HALF = (5, 13, 20, 23.5, 23, 19, 14.5, 12, 11, 11, 11)
_HUMERUS_WALL = (0.7, 0.8, 0.9, 0.9, 0.9, 1.4, 2.6, 3.8, 4.3, 4.5, 4.5)


def shoulders(rng: np.random.Generator, *, thorax: Thorax, stance: Stance) -> Solid:
    """Return both shoulder blades and humeri, raised with the shoulders.

    Args:
        rng: draws how far the blades are turned out of the lungs in this radiograph.
        thorax: size of the chest.
        stance: how far the shoulders are raised.
    """
    turned_out = float(rng.normal(0, 5))
    parts: list[Solid] = []
    for side, raised in zip((1, -1), stance.raised, strict=True):
        out = turned_out + float(rng.normal(0, 3))
        parts += _shoulder(thorax, side=side, raised=raised, out=out)
    return merge(parts)


def _shoulder(thorax: Thorax, *, side: int, raised: float, out: float) -> list[Solid]:
    def at(points: tuple[tuple[float, ...], ...], *, moved: float) -> Floats:
        line = _smooth(np.array(points, dtype=np.float64))
        line[:, 0] = side * (line[:, 0] + moved) * thorax.shoulder
        line[:, 2] = line[:, 2] * thorax.tall + 0.85 * raised
        return line

    def calibre(values: tuple[float, ...]) -> Floats:
        return thorax.bone * _smooth(np.array(values, dtype=np.float64)[:, None])[:, 0]

    up, plane, ahead = (0.0, 0.0, 1.0), (side * 0.82, 0.57, 0.0), (1.0, 0.0, 0.0)
    humerus = calibre(_HUMERUS_HALF)
    return [
        tube(at(_BLADE, moved=out), across=calibre(_BLADE_HALF), deep=2.6, cortex=0.8, up=plane, sides=14),
        tube(at(_BORDER, moved=out), across=4.2, deep=4.2, cortex=0.55, up=ahead, sides=8),
        tube(
            at(_SPINE, moved=0.5 * out),
            across=calibre(_SPINE_HALF),
            deep=calibre(_SPINE_DEEP),
            cortex=0.6,
            up=up,
            sides=10,
        ),
        tube(at(_GLENOID, moved=0.0), across=calibre(_GLENOID_HALF), deep=10.0, cortex=0.55, up=ahead, sides=10),
        tube(at(_CORACOID, moved=0.0), across=calibre(_CORACOID_HALF), deep=5.5, cortex=0.7, up=up, sides=8),
        tube(at(_HUMERUS, moved=0.0), across=humerus, deep=humerus, cortex=calibre(_HUMERUS_WALL), up=ahead, sides=18),
    ]


def _smooth(points: Floats) -> Floats:
    """Return a curve through the points ``(P, K)`` with four steps between two of them (Catmull-Rom)."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    before, start, end, after = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    steps = np.arange(4)[None, :, None] / 4
    start, end = start[:, None], end[:, None]
    bent = (2 * before[:, None] - 5 * start + 4 * end - after[:, None]) * steps**2
    bent = bent + (3 * start - before[:, None] - 3 * end + after[:, None]) * steps**3
    curve = start + 0.5 * ((end - before[:, None]) * steps + bent)
    return np.concatenate([curve.reshape(-1, points.shape[1]), points[-1:]])
