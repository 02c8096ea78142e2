"""Measure how hard the simulated hips are: what clinical variables and mere grey levels say about density.

python difficulty.py --n 4000 --preset screening --size 160 --out difficulty.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xattn_bmd.simulate import simulate_cohort


def main() -> None:
    """Simulate a cohort, score two ridge models out of fold, and compare truth with label."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=4000)
    parser.add_argument("--preset", default="screening")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = simulate_cohort(folder, n=arguments.n, preset=arguments.preset, size=arguments.size)
        table = pd.read_csv(path).merge(pd.read_csv(Path(folder, "truth", "truth.csv")), on="radiograph_id")
        grey = np.array([statistics(Path(folder, "images", name)) for name in table.image])
    record = table[["age_xray", "age_dxa", "height", "weight", "bmi", "alcohol", "activity", "diet"]]
    record = record.fillna(record.mean()).join(pd.get_dummies(table[["sex", "smoking"]], dtype=float))
    result = {
        "n": arguments.n,
        "preset": arguments.preset,
        "record_r2": score(record.to_numpy(), table),
        "grey_levels_r2": score(grey, table),
        "posed_neck_r": float(np.corrcoef(table.true_bmd, table.posed_neck_bmd)[0, 1]),
        "dxa_pose_r": float(np.corrcoef(table.true_bmd, table.dxa_bmd)[0, 1]),
    }
    result = {name: round(value, 4) if isinstance(value, float) else value for name, value in result.items()}
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


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


def score(features: NDArray[np.float64], table: pd.DataFrame) -> float:
    """Return R² of ridge regression, out of fold, patients never split."""
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
    folds = GroupKFold(10).split(features, groups=table.patient_id)
    predicted = cross_val_predict(model, features, table.fn_bmd, cv=list(folds))
    return float(1 - np.mean((table.fn_bmd - predicted) ** 2) / table.fn_bmd.var(ddof=0))


if __name__ == "__main__":
    main()
