"""Small made-up cohorts of CT volumes on disk: a ball whose Hounsfield units say the density."""

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import yaml

SHAPE = (8, 32, 32)
ROLES = {
    "id": "scan",
    "patient": "person",
    "target": {"column": "qct", "unit": "mg/cm3"},
    "numeric": {"age": {"unit": "years"}},
    "categorical": {"sex": ["female", "male"]},
}


def write_volume(path: Path, voxels, *, spacing=(3.0, 1.0, 1.0)) -> Path:
    """Write ``(D, H, W)`` Hounsfield units, in this library's order, as NIfTI."""
    stored = np.ascontiguousarray(np.asarray(voxels).transpose(2, 1, 0)[:, :, ::-1])
    affine = np.diag([-spacing[2], -spacing[1], spacing[0], 1.0])
    nibabel.Nifti1Image(stored.astype(np.int16), affine).to_filename(path)
    return path


def write_volumes(root: Path, *, n: int = 24, seed: int = 0, first: int = 0) -> Path:
    """Write ``n`` volumes of 8 x 32 x 32 voxels, a table and its roles; return the table's path.

    The ball holds 4 HU for each mg/cm³ above its surroundings, and the record says nothing of the density.
    """
    generator = np.random.default_rng(seed)
    images = root / "images"
    images.mkdir(parents=True)
    density = generator.uniform(40, 200, size=n).round(1)
    names = [f"ct_{first + number:03d}" for number in range(n)]
    for name, value in zip(names, density, strict=True):
        write_volume(images / f"{name}.nii.gz", ball(value, generator))
    table = pd.DataFrame(
        {
            "scan": names,
            "person": [f"p_{first + number:03d}" for number in range(n)],
            "qct": density,
            "age": generator.normal(60, 8, size=n).round(1),
            "sex": np.where(np.arange(n) % 2, "female", "male"),
        }
    )
    table.to_csv(root / "cohort.csv", index=False)
    (root / "cohort.yaml").write_text(yaml.safe_dump(ROLES, sort_keys=False))
    return root / "cohort.csv"


def ball(density: float, generator: np.random.Generator):
    place = np.stack(np.meshgrid(*[np.linspace(-1, 1, side) for side in SHAPE], indexing="ij"))
    inside = np.linalg.norm(place + generator.uniform(-0.1, 0.1, size=(3, 1, 1, 1)), axis=0) < 0.7
    voxels = 40 + 4 * density * inside + generator.normal(0, 15, size=SHAPE)
    voxels[:, 0] = -1000.0
    return voxels


def tissue(shape=SHAPE, *, hu: float = 40.0):
    """Return soft tissue below one row of air: a NIfTI file without air is not believed to be in Hounsfield units."""
    voxels = np.full(shape, hu)
    voxels[:, 0] = -1000.0
    return voxels
