"""Make ``pelvis.npz``: the pelvis template, origin in the left acetabulum, with a cortical thickness per vertex.

Run ``python pelvis_asset.py --data FOLDER_WITH_SHAPES --out xattn_bmd/simulate/assets/pelvis.npz``.

Source: the hemipelves and sacrum of gias2 0.7.14 (MPL-2.0). Coordinates: x lateral (left), y posterior, z up, mm.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

STEP_MM = 0.02
SYMPHYSIS_MM = 1.0
"""Gap left between the pubic bones; in the template the two halves, fitted one by one, overlap by 10 mm."""


def main() -> None:
    """Join the three bones into one mesh and write the asset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    source = np.load(arguments.data / "gias2_pelvis_template.npz")
    vertices, faces, offset = [], [], 0
    for bone in ("left_hemi", "right_hemi", "sacrum"):
        vertices.append(source[f"{bone}_vertices"].astype(float) - source["acetabulum_centre_left"])
        faces.append(source[f"{bone}_faces"] + offset)
        if bone == "right_hemi":
            vertices[-1][:, 0] -= vertices[1][:, 0].max() - vertices[0][:, 0].min() + SYMPHYSIS_MM
        offset += len(vertices[-1])
    joined, triangles = np.concatenate(vertices), np.concatenate(faces)
    midline = 0.5 * (vertices[0][:, 0].min() + vertices[1][:, 0].max())
    distance = np.linalg.norm(joined, axis=1)
    radius = float(source["acetabulum_radius"])
    up = joined[:, 2] / np.maximum(distance, 1e-6)
    near = np.exp(-(((distance - radius) / 5.0) ** 2))
    cortex = 1.0 + near * (0.5 + 1.6 * np.clip(up, 0, 1) ** 2)
    cortex[offset - len(vertices[2]) :] = 0.8
    np.savez_compressed(
        arguments.out,
        vertices=np.round(joined / STEP_MM).astype(np.int16),
        step_mm=np.float32(STEP_MM),
        faces=triangles.astype(np.uint16),
        cortex_mm=np.round(cortex / STEP_MM).astype(np.uint16),
        acetabulum_radius_mm=np.float32(radius),
        midline_mm=np.float32(midline),
    )
    print("midline", midline, "box", joined.min(axis=0), joined.max(axis=0))


if __name__ == "__main__":
    main()
