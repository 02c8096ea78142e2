"""Small made-up cohorts on disk, for tests that need files but no physics."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image

ROLES = {
    "id": "radiograph_id",
    "patient": "patient_id",
    "image": "image",
    "target": {"column": "fn_bmd", "unit": "g/cm2", "range": [0.2, 2.0]},
    "reference": "lunar_femoral_neck_white_female",
    "numeric": {"age": {"unit": "years", "range": [18, 110]}, "weight": {"unit": "kg", "range": [25, 250]}},
    "categorical": {"sex": ["female", "male"], "smoking": ["never", "former", "current"]},
    "site": "site",
    "side": "side",
    "stratify": ["sex"],
}


def write_cohort(root: Path, *, n: int = 40, size: int = 48, seed: int = 0, roles: dict | None = None) -> Path:
    """Write ``n`` 16-bit PNGs whose bright disc grows with density, a table and its roles; return the table's path.

    Every eighth patient has two radiographs.
    """
    generator = np.random.default_rng(seed)
    images = root / "images"
    images.mkdir(parents=True)
    table = _table(n, generator)
    for row in table.itertuples():
        _picture(row.fn_bmd, row.side, size, generator).save(images / row.image)
    table.to_csv(root / "cohort.csv", index=False)
    (root / "cohort.yaml").write_text(yaml.safe_dump(roles or ROLES, sort_keys=False))
    return root / "cohort.csv"


def spread(path):
    """Spread the densities of a made-up cohort over all three classes."""
    table = pd.read_csv(path, dtype=str)
    density = 0.80 + 1.6 * (table["fn_bmd"].astype(float) - 0.88)
    table.assign(fn_bmd=density.clip(0.45, 1.4).round(4)).to_csv(path, index=False)
    return path


def draw_masks(table: Path, folder: Path, *, without: tuple[str, ...] = ()) -> Path:
    """Write a mask of the bright disc of each made-up hip."""
    folder.mkdir()
    for row in pd.read_csv(table).itertuples():
        if row.radiograph_id in without:
            continue
        down, along = np.mgrid[:48, :48] / 48 - 0.5
        disc = np.hypot(down, along - (0.15 if row.side == "R" else -0.15)) < 0.15 + 0.25 * (row.fn_bmd - 0.5)
        Image.fromarray(disc.astype(np.uint8) * 255).save(folder / f"{row.radiograph_id}.png")
    return folder


def _table(n: int, generator: np.random.Generator) -> pd.DataFrame:
    patients = [f"p{number - number // 8:03d}" for number in range(n)]
    person = {name: generator.normal(size=3) for name in dict.fromkeys(patients)}
    draws = np.stack([person[name] for name in patients])
    sex = np.where(draws[:, 0] > 0, "male", "female")
    weight = 72 + 12 * draws[:, 1]
    density = 0.88 + 0.05 * np.sign(draws[:, 0]) + 0.04 * draws[:, 1] + 0.08 * generator.normal(size=n)
    names = [f"hip_{number:03d}" for number in range(n)]
    table = pd.DataFrame(
        {
            "radiograph_id": names,
            "patient_id": patients,
            "image": [f"{name}.png" for name in names],
            "side": np.where(np.arange(n) % 2, "R", "L"),
            "site": np.where(np.arange(n) % 3, "north", "south"),
            "sex": sex,
            "age": (75 + 3 * draws[:, 2]).round(1),
            "weight": weight.round(1),
            "smoking": generator.choice(["never", "former", "current"], size=n),
            "fn_bmd": density.round(4),
        }
    )
    table.loc[generator.choice(n, size=max(1, n // 10), replace=False), "smoking"] = None
    return table


def _picture(density: float, side: str, size: int, generator: np.random.Generator) -> Image.Image:
    row, column = np.mgrid[:size, :size] / size - 0.5
    centre = 0.15 if side == "R" else -0.15
    disc = np.hypot(row, column - centre) < 0.15 + 0.25 * (density - 0.5)
    grey = 9000 + 25000 * disc + 3000 * (row + 0.5) + 600 * generator.normal(size=(size, size))
    return Image.fromarray(grey.clip(0, 65535).astype(np.uint16))


CLASSES = ("normal", "old", "fresh")
CLASS_ROLES = {
    **{name: role for name, role in ROLES.items() if name not in ("target", "reference", "stratify")},
    "target": {"column": "fracture", "classes": list(CLASSES)},
}


def write_class_cohort(root: Path, *, n: int = 40, seed: int = 0, roles: dict | None = None, prefix: str = "") -> Path:
    """Write made-up vertebrae whose disc and record tell their class; every eighth patient has two."""
    path = write_cohort(root, n=n, seed=seed, roles=roles or CLASS_ROLES)
    table = pd.read_csv(path, dtype=str)
    order = table["fn_bmd"].astype(float).rank(method="first") - 1
    table["fracture"] = [CLASSES[int(place)] for place in order // (n / 3)]
    table["patient_id"] = prefix + table["patient_id"]
    table.drop(columns="fn_bmd").to_csv(path, index=False)
    return path
