"""A tiny finished run to explain, and masks for its radiographs."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.cohorts import write_cohort
from tests.training.settings import TINY, tiny
from xattn_bmd import Cohort, compare
from xattn_bmd.config import TrainingConfig

SIZE = 48


def made_run(root: Path):
    """Return a run of three models over two folds, and its cohort of 26 radiographs."""
    table = write_cohort(root, n=26, size=SIZE)
    cohort = Cohort.from_csv(table, images=root / "images")
    training = TrainingConfig(epochs=1, patience=1, batch_size=8, accelerator="cpu")
    settings = tiny(models=("xattn", "image_only", "ridge"), folds=2, training=training)
    assert TINY.image.size == 64
    return compare(cohort, out=root / "RUN", config=settings, cache=root / "cache", progress=False), cohort


def write_masks(folder: Path, names, *, size: int = SIZE, region: str = "bone") -> Path:
    """Write a square mask for each name; return the folder."""
    (folder / region).mkdir(parents=True)
    mask = np.zeros((size, size), dtype=np.uint8)
    mask[10:30, 4:20] = 255
    for name in names:
        Image.fromarray(mask).save(folder / region / f"{name}.png")
    return folder
