"""Draw one simulated CT volume of each scanner: axial, sagittal and coronal slice through L2, bone window.

Run ``python ct_sheet.py --out ct_sheet.png``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from xattn_bmd.simulate.ct.bones import BODY_LABELS
from xattn_bmd.simulate.ct.people import draw_scans
from xattn_bmd.simulate.ct.scanner import SCANNERS
from xattn_bmd.simulate.ct.volume import CtVolume, simulate_volume

WINDOW = (-250, 700)


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    scans = [
        *draw_scans(n=1, preset="ct", seed=arguments.seed),
        *draw_scans(n=30, preset="ct_external", seed=arguments.seed),
    ]
    figure, axes = plt.subplots(3, len(SCANNERS), figsize=(13, 8), facecolor="black")
    for column, (name, scanner) in enumerate(SCANNERS.items()):
        scan = next(scan for scan in scans if scan.scanner == name)
        volume = simulate_volume(scan, seed=arguments.seed)
        for axis, (picture, aspect) in zip(axes[:, column], _slices(volume), strict=True):
            axis.imshow(picture, cmap="gray", vmin=WINDOW[0], vmax=WINDOW[1], aspect=aspect)
            axis.axis("off")
        title = f"{name}: {scanner.kvp} kVp, {scanner.slice_mm:g} mm\n{scan.true_qct:.0f} mg/cm³, simulated"
        axes[0, column].set_title(title, color="white", fontsize=9)
    figure.tight_layout()
    figure.savefig(arguments.out, dpi=75, facecolor="black", metadata={"Software": None})


def _slices(volume: CtVolume) -> tuple[tuple[np.ndarray, float], ...]:
    d, h, w = np.argwhere(volume.bodies == BODY_LABELS["L2"]).mean(axis=0).astype(int)
    thick = volume.grid.spacing_mm[0] / volume.grid.spacing_mm[1]
    return (volume.voxels[d], 1.0), (volume.voxels[:, :, w], thick), (volume.voxels[:, h], thick)


if __name__ == "__main__":
    main()
