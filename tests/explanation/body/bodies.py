"""Made-up vertebral bodies in crops of 80 pixels, and heat that is planted in a zone of them."""

import numpy as np
from PIL import Image, ImageDraw

from xattn_bmd.explanation.body.warp import cell_centres, places
from xattn_bmd.explanation.body.zones import ZONES, zone_of_cells

SIDE = 80


def turned(*, angle=0.0, width=30.0, height=22.0, wedge=1.0, mirrored=False, middle=None, centre=(40.0, 40.0)):
    """Return the points of one body: ``wedge`` is the anterior height by the posterior one."""
    x, front, back = width / 2, wedge * height / 2, height / 2
    upper, lower = [[-x, -front], [x, -back]], [[-x, front], [x, back]]
    if middle is not None:
        upper.insert(1, [0.0, -middle * height / 2])
        lower.insert(1, [0.0, middle * height / 2])
    points = np.array(upper + lower) * ([-1.0, 1.0] if mirrored else [1.0, 1.0])
    turn = np.deg2rad(angle)
    return points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + centre


def planted(points, zone, *, rng=None):
    """Return heat ``(SIDE, SIDE)`` that is 1 in one zone of a body, drawn with polygons of its cells."""
    at = places(points[None], margin=0.25)[0]
    picture = Image.new("L", (SIDE * 8, SIDE * 8))
    draw = ImageDraw.Draw(picture)
    inside = zone_of_cells() == ZONES.index(zone)
    radius = 8 * 0.75 * np.linalg.norm(at[0, 0] - at[1, 1])
    for x, y in 8 * at[inside]:
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX)).astype(np.float32) / 255


def many(*, patients=20, each=4, effect=0.0, between=0.0, seed=0):
    """Return heat, points, classes and patients: a crop of ``fresh`` has more heat in its upper endplate by ``effect``.

    ``between`` is the SD of what all crops of one patient share.
    """
    rng = np.random.default_rng(seed)
    at = cell_centres()
    across = np.clip(at, 0, 1)[:, None] * np.ones(len(at))
    heat, classes, people = [], [], []
    for person in range(patients):
        shared = between * rng.normal()
        kind = "fresh" if rng.random() < 0.5 else "old"
        for number in range(each):
            own = kind if number % 2 else "normal"
            level = np.exp(shared + 0.2 * rng.normal() + effect * (own == "fresh"))
            heat.append(1.0 + level * (across < 0.2) + 0.1 * rng.random((len(at), len(at))))
            classes.append(own)
            people.append(f"p{person:02d}")
    corners = np.array([[10.0, 10.0], [50.0, 10.0], [10.0, 50.0], [50.0, 50.0]])
    return np.array(heat, dtype=np.float32), np.tile(corners, (len(heat), 1, 1)), classes, people
