"""Made-up radiographs: bright squares on noise, with their boxes."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from xattn_bmd import Cohort

COLUMNS = ["radiograph_id", "label", "x0", "y0", "x1", "y1"]


def write_squares(
    folder: Path, *, pictures=8, each=2, seed=0, side=(96, 128), patients=None
) -> tuple[Cohort, pd.DataFrame]:
    """Write pictures of ``side`` (columns, rows) with ``each`` bright squares; return the cohort and its boxes."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    rows = []
    wide, high = side
    for number in range(pictures):
        pixels = rng.normal(8000, 800, size=(high, wide))
        for place in range(each):
            width, height = rng.integers(24, 36, size=2)
            x = rng.integers(2, wide - width - 2)
            y = rng.integers(2, high // each - height - 2) + place * high // each
            pixels[y : y + height, x : x + width] += 30000
            rows.append([f"r{number:02d}", "square", float(x), float(y), float(x + width), float(y + height)])
        Image.fromarray(pixels.clip(0, 65535).astype(np.uint16)).save(folder / "images" / f"r{number:02d}.png")
    names = [f"r{number:02d}" for number in range(pictures)]
    table = pd.DataFrame({"scan": names, "person": patients or names})
    table.to_csv(folder / "cohort.csv", index=False)
    (folder / "cohort.yaml").write_text("id: scan\npatient: person\n")
    return Cohort.from_csv(folder / "cohort.csv"), pd.DataFrame(rows, columns=COLUMNS)
