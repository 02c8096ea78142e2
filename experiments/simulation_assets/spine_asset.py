"""Make ``spine.npz``: how the vertebral bodies T11-L4 vary in shape and place, and how fractures deform them.

Run ``python spine_asset.py --data SHAPES --out xattn_bmd/simulate/assets/spine.npz``, where ``SHAPES`` holds
``nhanes_vfa_2013_2014_dev.npz`` (vertebral fracture assessment of NHANES 2013-2014, CDC/NCHS).

Kept are means, principal components and counts of grades by level; no person's outline, score or grade.  Components
with near-equal variances depend on how a processor rounds, and so they are stored and never decomposed anew.

Units of the source are taken as 0.034 mm.  Axes as in the source: x anterior, y down; the package turns them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
UNIT_MM = 0.034
RING = np.array([0, *range(12, 23), 3, *range(37, 52), 10, *range(59, 66), 11, *range(80, 93)])
"""Outline points around the body: anterior wall down, lower endplate back, posterior wall up, upper endplate."""

CORNERS = (0, 12, 28, 36)
"""Superior anterior, inferior anterior, inferior posterior, superior posterior: places in the ring."""

POSES, SHAPES, DEFORMATIONS = 12, 24, 5
LEVER_MM = 15.0


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    stored = np.load(asked.data / "nhanes_vfa_2013_2014_dev.npz")
    grades, levels = stored["genant_grade"], stored["levels"]
    known = (stored["outline"] > -32768).all(axis=(2, 3)) & (stored["invalid_code"] == 0) & (grades >= 0)
    rings = stored["outline"][:, :, RING].astype(np.float64) * UNIT_MM
    normal = (known & (grades == 0)).all(axis=1)
    centre, tilt, size = frames(rings)
    mean_size = size[normal].mean(axis=0)
    person = person_size(size, mean_size, known & (grades == 0))
    pose, pose_share = components(pose_vectors(centre, tilt, size, person)[normal], POSES)
    ratio = (mean_size / size[normal])[:, :, None, None]
    local = to_frame(rings[normal], centre[normal], tilt[normal]) * ratio
    shape, shape_share = components(local.reshape(len(local), -1), SHAPES)
    mean_shape = shape[0].reshape(len(levels), len(RING), 2)
    grade_mean, spread, counts = deformations(rings, person, mean_shape, np.where(known, grades, -1))
    arrays = {
        "pose_mean": pose[0], "pose_components": pose[1],
        "shape_mean": mean_shape, "shape_components": shape[1].reshape(SHAPES, *mean_shape.shape),
        "grade_mean": grade_mean, "grade_components": spread,
    }  # fmt: skip
    np.savez_compressed(
        asked.out, levels=levels, grade_counts=counts, people=np.int32(normal.sum()), lever_mm=np.float32(LEVER_MM),
        **{name: values.astype(np.float32) for name, values in arrays.items()},
    )  # fmt: skip
    print(
        f"{normal.sum()} people without a deformity; {POSES} components hold {pose_share:.1%} of the variance of pose,"
    )
    print(f"{SHAPES} hold {shape_share:.1%} of that of shape; deformed bodies by grade {counts[:, 1:].sum(axis=0)}")
    print(f"{asked.out}: {asked.out.stat().st_size} bytes")


def frames(rings: Floats) -> tuple[Floats, Floats, Floats]:
    """Return centre ``(N, L, 2)``, tilt ``(N, L)`` radians and size (root of the area, mm) of every body."""
    corner = rings[:, :, CORNERS]
    axis = corner[:, :, 0] + corner[:, :, 1] - corner[:, :, 2] - corner[:, :, 3]
    after = np.roll(rings, -1, axis=2)
    area = 0.5 * np.abs((rings[..., 0] * after[..., 1] - rings[..., 1] * after[..., 0]).sum(axis=2))
    return corner.mean(axis=2), np.arctan2(axis[..., 1], axis[..., 0]), np.sqrt(area)


def person_size(size: Floats, mean_size: Floats, kept: NDArray[np.bool_]) -> Floats:
    """Return each person's size relative to the mean, from the bodies without a deformity, ``(N,)``."""
    ratio = np.where(kept, np.log(np.maximum(size, 1e-6) / mean_size), 0.0)
    return np.exp(ratio.sum(axis=1) / np.maximum(kept.sum(axis=1), 1))


def pose_vectors(centre: Floats, tilt: Floats, size: Floats, person: Floats) -> Floats:
    """Return ``(N, 4 L)``: x, y (mm at mean size, from L3), tilt and log size (both times the lever) of each level."""
    place = (centre - centre[:, [4]]) / person[:, None, None]
    return np.concatenate(
        [place[..., 0], place[..., 1], LEVER_MM * tilt, LEVER_MM * np.log(np.maximum(size, 1e-6) / person[:, None])],
        axis=1,
    )


def to_frame(rings: Floats, origin: Floats, tilt: Floats) -> Floats:
    """Return rings in frames at ``origin`` turned by ``tilt``."""
    moved = rings - origin[:, :, None]
    cos, sin = np.cos(tilt)[:, :, None], np.sin(tilt)[:, :, None]
    return np.stack([cos * moved[..., 0] + sin * moved[..., 1], cos * moved[..., 1] - sin * moved[..., 0]], axis=-1)


def components(vectors: Floats, kept: int) -> tuple[tuple[Floats, Floats], float]:
    """Return mean and components (each times its SD), and the share of the variance that they hold."""
    mean = vectors.mean(axis=0)
    _, singular, directions = np.linalg.svd(vectors - mean, full_matrices=False)
    scaled = directions[:kept] * singular[:kept, None] / np.sqrt(len(vectors) - 1)
    return (mean, scaled), float((singular[:kept] ** 2).sum() / (singular**2).sum())


def posterior_frame(rings: Floats) -> Floats:
    """Return rings ``(N, L, P, 2)`` with the posterior wall upright at x = 0, its middle at the origin."""
    low, high = rings[:, :, CORNERS[2]], rings[:, :, CORNERS[3]]
    wall = low - high
    return to_frame(rings, (low + high) / 2, np.arctan2(-wall[..., 0], wall[..., 1]))


def deformations(
    rings: Floats, person: Floats, mean_shape: Floats, grades: NDArray[np.int8]
) -> tuple[Floats, Floats, NDArray[np.int32]]:
    """Return mean deformation by grade ``(4, P, 2)``, components of what is left, and counts ``(L, 4)`` of grades."""
    moved = posterior_frame(rings) / person[:, None, None, None] - posterior_frame(mean_shape[None])
    means = np.zeros((4, *mean_shape.shape[1:]))
    rest = []
    for grade in (1, 2, 3):
        found = moved[grades == grade]
        means[grade] = found.mean(axis=0)
        rest.append(found - means[grade])
    left = np.concatenate(rest).reshape(sum(map(len, rest)), -1)
    (_, spread), _ = components(left, DEFORMATIONS)
    counts = np.stack([(grades == grade).sum(axis=0) for grade in range(4)], axis=1).astype(np.int32)
    return means, spread.reshape(DEFORMATIONS, *mean_shape.shape[1:]), counts


if __name__ == "__main__":
    main()
