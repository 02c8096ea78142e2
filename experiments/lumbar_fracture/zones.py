"""Where on the vertebral body the networks look, class by class: heat by zone, beside random networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from studies import CLASSES, TARGET, Study

from xattn_bmd import Cohort, Run, class_heat, heat_by_zone
from xattn_bmd.explanation.body.points import placed_points
from xattn_bmd.explanation.heat.methods import MethodName

METHOD: MethodName = "hirescam"
"""Grad-CAM has as many cells as the trunk's last map, 2 x 2 here; HiResCAM keeps the places of a finer one."""

_SIDES = ("superior", "inferior")
_PARTS = ("anterior", "middle", "posterior")


def zone_rows(run: Run, crops: Cohort, study: Study, *, out: Path, cache: Path) -> pd.DataFrame:
    """Return heat by zone of the class that the first member says, and the tests between true classes.

    Args:
        run: the comparison.
        crops: vertebrae at home, each with the six points of its morphometry.
        study: sizes.
        out: folder of the figure.
        cache: folder of decoded pictures.
    """
    some = crops.subset(_chosen(crops, study))
    heat = class_heat(run, some, model=study.members[0], method=METHOD, seed=study.seed, cache=cache)
    placed = placed_points(_points(some), some, image=run.config.image)
    found = heat_by_zone(
        heat.maps,
        points=placed.points,
        fields=placed.fields,
        picture=(study.size, study.size),
        classes=some.table[TARGET].tolist(),
        names=CLASSES,
        patients=some.patient_ids,
        controls=heat.control_maps,
        simulated=True,
        seed=study.seed,
    )
    out.mkdir(parents=True, exist_ok=True)
    found.figure(out / "zones.png")
    table = found.table().assign(table="zones")
    tests = found.tests().assign(table="zone tests")
    return pd.concat([table, tests], ignore_index=True).assign(where="internal")


def _chosen(crops: Cohort, study: Study) -> list[str]:
    """Return as many vertebrae of each class as there are of the rarest, drawn by the study's seed."""
    each = [crops.table.loc[crops.table[TARGET] == name, crops.roles.id].tolist() for name in CLASSES]
    fewest = min(study.explained // len(CLASSES), *map(len, each))
    draw = np.random.default_rng(study.seed)
    chosen = {name for names in each for name in draw.permutation(names)[:fewest]}
    return [name for name in crops.radiograph_ids if name in chosen]


def _points(crops: Cohort) -> np.ndarray:
    """Return the six points of each vertebra, pixels of its crop, ``(N, 6, 2)``."""
    table = crops.table
    columns = [[f"{side}_{part}_{axis}" for axis in "xy"] for side in _SIDES for part in _PARTS]
    whole = np.stack([table[pair].to_numpy(dtype=np.float64) for pair in columns], axis=1)
    corner = table[["crop_x0", "crop_y0"]].to_numpy(dtype=np.float64)
    return np.asarray(whole - corner[:, None, :])
