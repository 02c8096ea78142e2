"""The job that every road is timed on: 16-bit PNG radiographs and a clinical record of ten columns.

The pictures are made up: a bright disc whose size follows the density, on a slope, under noise, 12 bits in 16.
"""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from PIL import Image

NUMERIC = ("age_xray", "age_dxa", "height", "weight", "bmi", "alcohol", "activity", "diet")
CATEGORICAL = {"sex": ["female", "male"], "smoking": ["never", "former", "current"]}
WORK = Path(tempfile.gettempdir()) / "xattn_bmd_benchmarks"
"""Where jobs are kept between runs, for writing 200 large pictures takes a minute."""

_WHITE = 4095


@dataclass(frozen=True)
class Job:
    """Size of a job.

    Attributes:
        radiographs: number of radiographs, one of each patient.
        rows: rows of each file.
        columns: columns of each file.
        size: side of the square picture that the network sees, pixels.
        batch: radiographs a step.
        backbone: name of a timm model.
    """

    radiographs: int = 200
    rows: int = 2500
    columns: int = 2000
    size: int = 224
    batch: int = 16
    backbone: str = "resnet34"

    def folder(self) -> Path:
        """Return the folder with ``cohort.csv``, ``cohort.yaml`` and ``images``; writes it where it is absent."""
        folder = WORK / f"job_{self.radiographs}_{self.rows}x{self.columns}"
        if not folder.is_dir():
            partial = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            write_job(partial, self)
            partial.rename(folder)
        return folder

    @property
    def words(self) -> str:
        """The size in words."""
        return (
            f"{self.radiographs} PNGs of {self.rows} x {self.columns}, {self.backbone}, {self.size} px, "
            f"batch {self.batch}"
        )


FULL = Job()
QUICK = Job(radiographs=24, rows=500, columns=400, size=64, batch=4, backbone="resnet18")
SMALL_FILES = Job(radiographs=5000, rows=300, columns=240)
"""A cohort of 5,000 whose files are small: its cache is as large as that of any other 5,000 radiographs."""


def write_job(folder: Path, job: Job, *, seed: int = 0) -> None:
    """Write the pictures, the table and its roles."""
    images = folder / "images"
    images.mkdir(parents=True)
    table = _table(job.radiographs, np.random.default_rng(seed))
    noise = np.random.default_rng(seed).normal(0, 12, (job.rows, job.columns)).astype(np.float32)
    with ThreadPoolExecutor(2) as pool:
        rows = zip(table["image"], table["fn_bmd"], range(len(table)), strict=True)
        list(pool.map(lambda row: _write_picture(images / row[0], density=row[1], row=row[2], noise=noise), rows))
    table.to_csv(folder / "cohort.csv", index=False)
    (folder / "cohort.yaml").write_text(yaml.safe_dump(_roles(), sort_keys=False))


def _table(count: int, generator: np.random.Generator) -> pd.DataFrame:
    names = [f"hip_{number:05d}" for number in range(count)]
    numbers = {name: generator.normal(60, 10, count).round(2) for name in NUMERIC}
    words = {name: generator.choice(values, count) for name, values in CATEGORICAL.items()}
    density = generator.normal(0.88, 0.147, count).clip(0.45, 1.4).round(4)
    fixed = {"radiograph_id": names, "patient_id": names, "image": [f"{name}.png" for name in names]}
    return pd.DataFrame({**fixed, **numbers, **words, "fn_bmd": density})


def _write_picture(path: Path, *, density: float, row: int, noise: NDArray[np.float32]) -> None:
    rows, columns = noise.shape
    down = np.linspace(-0.5, 0.5, rows, dtype=np.float32)[:, None]
    along = np.linspace(-0.5, 0.5, columns, dtype=np.float32)[None, :]
    disc = (down**2 + (along - 0.1) ** 2) < (0.15 + 0.2 * (density - 0.5)) ** 2
    grey = 700 + 800 * (down + 0.5) + 1500 * disc + np.roll(noise, 7 * row + 1, axis=row % 2)
    pixels = grey.clip(0, _WHITE).astype(np.uint16)
    # one corner names the file: no two pictures are the same picture
    pixels[0, :16] = [_WHITE * (row >> bit & 1) for bit in range(16)]
    Image.fromarray(pixels).save(path, compress_level=1)


def _roles() -> dict[str, object]:
    return {
        "id": "radiograph_id",
        "patient": "patient_id",
        "image": "image",
        "target": {"column": "fn_bmd", "unit": "g/cm2", "range": [0.2, 2.0]},
        "reference": "lunar_femoral_neck_white_female",
        "numeric": list(NUMERIC),
        "categorical": CATEGORICAL,
        "stratify": ["sex"],
        "simulated": True,
    }
