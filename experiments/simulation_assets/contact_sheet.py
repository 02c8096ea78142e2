"""Draw eight simulated hips, chests or spines as one picture, labelled as simulated.

python contact_sheet.py --out contact_sheet.png
python contact_sheet.py --out chest_sheet.png --presets chest chest_external --seed 5
python contact_sheet.py --out spine_sheet.png --presets spine spine_external --seed 5
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from xattn_bmd.simulate import simulate_cohort

TILE, COLUMNS, STRIP = 232, 4, 22


def main() -> None:
    """Simulate a few radiographs and tile them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--presets", nargs="+", default=["hcs"])
    arguments = parser.parse_args()
    tiles = []
    for preset in arguments.presets:
        with tempfile.TemporaryDirectory() as folder:
            simulate_cohort(folder, n=8 // len(arguments.presets), preset=preset, seed=arguments.seed, workers=1)
            tiles += [displayed(path) for path in sorted(Path(folder, "images").glob("*.dcm"))]
    rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    sheet = np.vstack([*rows, np.zeros((STRIP, TILE * COLUMNS), np.uint8)])
    picture = Image.fromarray(sheet)
    text = "simulated radiographs: computed from bone shapes and X-ray physics, no patients"
    ImageDraw.Draw(picture).text((8, sheet.shape[0] - STRIP + 5), text, fill=220)
    picture.quantize(96).save(arguments.out, optimize=True)
    print(arguments.out, arguments.out.stat().st_size, "bytes")


def displayed(path: Path) -> NDArray[np.uint8]:
    """Return one DICOM file as displayed, ``(TILE, TILE)``."""
    data = pydicom.dcmread(path)
    low = float(data.WindowCenter) - float(data.WindowWidth) / 2
    grey = np.clip((data.pixel_array - low) / float(data.WindowWidth), 0, 1)
    if data.PhotometricInterpretation == "MONOCHROME1":
        grey = 1 - grey
    return np.asarray(Image.fromarray((255 * grey).astype(np.uint8)).resize((TILE, TILE), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    main()
