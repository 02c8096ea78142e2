"""Measure how hard the simulated hips are: what clinical variables and mere grey levels say about density.

python difficulty.py --n 4000 --preset screening --size 160 --out difficulty.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xattn_bmd import simulate_cohort
from xattn_bmd.metrics.intervals import patient_bootstrap
from xattn_bmd.metrics.regression import pearson_r, r2


def main() -> None:
    """Simulate a cohort, score two ridge models out of fold, and compare truth with label."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=4000)
    parser.add_argument("--preset", default="screening")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = simulate_cohort(folder, n=arguments.n, preset=arguments.preset, size=arguments.size, seed=arguments.seed)
        table = pd.read_csv(path).merge(pd.read_csv(Path(folder, "truth", "truth.csv")), on="radiograph_id")
        grey = np.array([statistics(Path(folder, "images", name)) for name in table.image])
    record = table[["age_xray", "age_dxa", "height", "weight", "bmi", "alcohol", "activity", "diet"]]
    record = record.fillna(record.mean()).join(pd.get_dummies(table[["sex", "smoking"]], dtype=float))
    result = {
        "simulated": True,
        "n": arguments.n,
        "preset": arguments.preset,
        "size": arguments.size,
        "seed": arguments.seed,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "record_r2": interval(r2, table.fn_bmd, out_of_fold(record.to_numpy(), table), table.patient_id),
        "grey_levels_r2": interval(r2, table.fn_bmd, out_of_fold(grey, table), table.patient_id),
        "posed_neck_r": interval(pearson_r, table.true_bmd, table.posed_neck_bmd, table.patient_id),
        "dxa_pose_r": interval(pearson_r, table.true_bmd, table.dxa_bmd, table.patient_id),
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def interval(metric: Callable[..., float], target: pd.Series, value: pd.Series, patients: pd.Series) -> list[float]:
    """Return a metric with its 95 % interval from 500 draws of patients: value, low, high."""
    y, x = np.asarray(target, dtype=float), np.asarray(value, dtype=float)
    counts = patient_bootstrap(patients.astype(str).tolist(), seed=0, replicates=500)
    draws = [metric(y, x, weights=weights) for weights in counts]
    return [round(float(number), 4) for number in (metric(y, x), *np.percentile(draws, [2.5, 97.5]))]


def statistics(path: Path) -> NDArray[np.float64]:
    """Return 20 statistics of the displayed grey levels: mean, SD, skewness, entropy and 16 percentiles."""
    data = pydicom.dcmread(path)
    low = float(data.WindowCenter) - float(data.WindowWidth) / 2
    grey = np.clip((data.pixel_array - low) / float(data.WindowWidth), 0, 1)
    grey = 1 - grey if data.PhotometricInterpretation == "MONOCHROME1" else grey
    share = np.histogram(grey, 64, (0, 1))[0] / grey.size
    entropy = -np.sum(share[share > 0] * np.log(share[share > 0]))
    moments = [grey.mean(), grey.std(), np.mean((grey - grey.mean()) ** 3) / grey.std() ** 3, entropy]
    return np.array([*moments, *np.percentile(grey, np.linspace(1, 99, 16))])


def out_of_fold(features: NDArray[np.float64], table: pd.DataFrame) -> NDArray[np.float64]:
    """Return the out-of-fold predictions (N,) of ridge regression, patients never split."""
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
    folds = GroupKFold(10).split(features, groups=table.patient_id)
    return np.asarray(cross_val_predict(model, features, table.fn_bmd, cv=list(folds)))


if __name__ == "__main__":
    main()
