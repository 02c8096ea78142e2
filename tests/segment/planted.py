"""Made-up CT volumes: a body of soft tissue in air, with bright ellipsoids whose place in mm is known."""

from __future__ import annotations

import numpy as np

from xattn_bmd.segment.config import SegmenterConfig
from xattn_bmd.types import LabelMap, Volume

TINY = SegmenterConfig(
    patch=(8, 16, 16), epochs=3, steps=20, batch_size=2, learning_rate=0.01, foreground=0.5, smallest_ml=0.2, seed=3
)
FIELD_MM = (60.0, 64.0, 64.0)


def axes(spacing):
    """Affine of the library's order: slices to the feet, rows to posterior, columns to the left."""
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, spacing[2]], [0, spacing[1], 0], [-spacing[0], 0, 0]], dtype=float)
    return affine


def points(shape, affine):
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def ellipsoid(places, centre, half):
    return (((places - np.array(centre)) / np.array(half)) ** 2).sum(axis=-1) < 1


def planted(seed, *, spacing=(3.0, 2.0, 2.0), labels=1, noise=25.0):
    """A volume and its label map; centres differ from seed to seed."""
    rng = np.random.default_rng(seed)
    shape = tuple(round(side / step) for side, step in zip(FIELD_MM, spacing, strict=True))
    affine = axes(spacing)
    places = points(shape, affine)
    middle = affine[:3, :3] @ (np.array(shape) - 1) / 2
    hu = np.where(np.hypot(*(places[..., :2] - middle[:2]).transpose(3, 0, 1, 2)) < 30, 40.0, -1000.0)
    truth = np.zeros(shape, dtype=np.uint16)
    for label in range(1, labels + 1):
        centre = middle + rng.uniform(-4, 4, size=3) + np.array([0, 0, (label - (labels + 1) / 2) * 24.0])
        inside = ellipsoid(places, centre, (14.0, 11.0, 10.0 if labels > 1 else 14.0))
        hu[inside], truth[inside] = 150.0 + 250.0 * label, label + 10
    hu += rng.normal(0, noise, shape)
    names = {f"L{label}": label + 10 for label in range(1, labels + 1)} if labels > 1 else {"vertebra": 11}
    hu = np.maximum(hu, -1024).astype(np.float32)
    return Volume(hu, spacing, affine, ("made up",)), LabelMap(truth, names, spacing, affine, ())


def cohort(count, **settings):
    pairs = [planted(seed, **settings) for seed in range(count)]
    return [volume for volume, _ in pairs], [drawn for _, drawn in pairs]
