"""Cohorts with a bright square in each radiograph and masks drawn on it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.cohorts import write_cohort
from xattn_bmd import Cohort

SHAPE = (90, 150)
FIRST_ROW, FIRST_COLUMN, SIDE = 20, 12, 28


def drawn_cohort(root: Path, *, n: int = 6, without: tuple[int, ...] = ()) -> Cohort:
    """Write ``n`` radiographs, odd ones right hips, dark but for a border and a square that moves with the row."""
    table = write_cohort(root, n=n, size=48)
    (root / "masks").mkdir()
    generator = np.random.default_rng(0)
    for row in range(n):
        pixels = np.zeros(SHAPE, dtype=np.uint16)
        pixels[6:84, 3:140] = 9000 + generator.integers(0, 9000, (78, 137))
        pixels[drawn(row) > 0] = 60000
        Image.fromarray(pixels).save(root / "images" / f"hip_{row:03d}.png")
        if row not in without:
            Image.fromarray(drawn(row)).save(root / "masks" / f"hip_{row:03d}.png")
    return Cohort.from_csv(table, masks=root / "masks")


def drawn(row: int) -> NDArray[np.uint8]:
    """Return the mask of a row, 255 inside, as its radiograph's file shows it."""
    mask = np.zeros(SHAPE, dtype=np.uint8)
    top, left = FIRST_ROW + 3 * (row % 10), FIRST_COLUMN + 10 * (row % 10)
    mask[top : top + SIDE, left : left + SIDE] = 255
    return mask
