"""What transfers best: ridge on the mean of a frozen trunk's last map, on hips of the benchmark that no study uses.

Run: python experiments/bone_encoder/transfer.py --work FOLDER [--weights pretrained bone FILE.safetensors ...]
For each weights: R² out of fold (10 folds, patients never split) with 233 and with 1,000 hips of the development
hospitals, and r, R² and bias in the external hospitals of a ridge fitted on all 1,000; 95 % bootstrap intervals over
patients.  Prints the table, and writes results/transfer.csv and the table between the README's markers.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xattn_bmd import Cohort, ImageConfig, simulate_cohort
from xattn_bmd.atomic import atomic_replace, atomic_write
from xattn_bmd.data.cache import cached_images
from xattn_bmd.metrics.intervals import patient_bootstrap
from xattn_bmd.metrics.regression import pearson_r, r2
from xattn_bmd.models.image import build_trunk
from xattn_bmd.models.stages import last_map

SEED = 700
"""First seed of the pilot cohorts; the study's seeds begin far above."""

COHORTS = {"hcs": 233, "screening": 1000, "external_c": 400, "external_d": 400}
HERE = Path(__file__).parent
BEGIN, END = "<!-- transfer: begin -->", "<!-- transfer: end -->"
DRAWS = 1000
Floats = NDArray[np.float64]


def opened(work: Path) -> dict[str, Cohort]:
    """Return the pilot cohorts; simulated where they are not yet there."""
    return {
        name: Cohort.from_csv(simulate_cohort(work / name, n=n, preset=name, seed=SEED + place))  # type: ignore[arg-type]
        for place, (name, n) in enumerate(COHORTS.items())
    }


@torch.inference_mode()
def pooled(cohort: Cohort, *, weights: str, size: int, work: Path) -> Floats:
    """Return the mean of the trunk's last map, ``(N, C)``; right hips are turned to look like left ones."""
    trunk = build_trunk("tf_efficientnet_lite0", weights=weights).eval()
    pixels = cached_images(cohort.image_paths, image=ImageConfig(size=size), folder=work / "cache").pixels
    mirrored = torch.tensor([side == "R" for side in cohort.sides])
    parts = []
    for rows in torch.arange(len(cohort)).split(64):
        picture = torch.from_numpy(pixels[rows.numpy()].astype(np.float32) / 65535).unsqueeze(1)
        picture = torch.where(mirrored[rows, None, None, None], picture.flip(-1), picture)
        parts.append(last_map(trunk, (picture - 0.5) / 0.5).mean(dim=(2, 3)))
    return torch.cat(parts).double().numpy()


def ridge() -> object:
    """Return ridge regression whose penalty is chosen on what it is fitted on."""
    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 5, 13)))


def out_of_fold(cohort: Cohort, features: Floats) -> Floats:
    """Return predictions ``(N,)`` of the folds that were left out."""
    folds = list(GroupKFold(10).split(features, groups=cohort.patient_ids))
    return np.asarray(cross_val_predict(ridge(), features, cohort.targets, cv=folds))


def bias(target: Floats, prediction: Floats, *, weights: Floats | None = None) -> float:
    """Return the mean of prediction - target, g/cm²."""
    return float(np.average(prediction - target, weights=weights))


def row(encoder: str, name: str, metric: Callable[..., float], cohort: Cohort, predicted: Floats) -> dict[str, object]:
    """Return one line of the table: a metric with its interval over patients."""
    counts = patient_bootstrap(cohort.patient_ids, seed=0, replicates=DRAWS)
    draws = [metric(cohort.targets, predicted, weights=weights) for weights in counts]
    low, high = np.percentile(draws, [2.5, 97.5])
    return {
        "weights": encoder, "hips": name, "n": len(cohort), "metric": METRICS[metric],
        "value": metric(cohort.targets, predicted), "low": low, "high": high,
    }  # fmt: skip


def rows_of(weights: str, cohorts: dict[str, Cohort], *, size: int, work: Path) -> Iterator[dict[str, object]]:
    """Yield the lines of one encoder."""
    features = {name: pooled(cohort, weights=weights, size=size, work=work) for name, cohort in cohorts.items()}
    for name in ("hcs", "screening"):
        yield row(weights, name, r2, cohorts[name], out_of_fold(cohorts[name], features[name]))
    fitted = ridge().fit(features["screening"], cohorts["screening"].targets)  # type: ignore[attr-defined]
    for name in ("external_c", "external_d"):
        for metric in METRICS:
            yield row(weights, name, metric, cohorts[name], fitted.predict(features[name]))


def main() -> None:
    """Measure every encoder, store and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--weights", nargs="+", default=["pretrained", "bone"])
    parser.add_argument("--size", type=int, default=224)
    asked = parser.parse_args()
    cohorts = opened(asked.work)
    found = [each for weights in asked.weights for each in rows_of(weights, cohorts, size=asked.size, work=asked.work)]
    table = pd.DataFrame(found).assign(seed=SEED, draws=DRAWS, pixels=asked.size, **origin())
    (HERE / "results").mkdir(exist_ok=True)
    atomic_write(HERE / "results" / "transfer.csv", table.to_csv(index=False, float_format="%.6g"))
    page, text = HERE / "README.md", markdown(table)
    atomic_replace(page, text, begin=BEGIN, end=END)
    print(text)


def origin() -> dict[str, str]:
    """Return commit and machine."""
    described = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    commit = subprocess.run(described, cwd=HERE, capture_output=True, text=True, check=True).stdout.strip()
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    machine = f"{names[0]}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"
    return {"commit": commit, "machine": machine}


def markdown(table: pd.DataFrame) -> str:
    """Return the table of the README."""
    lines = ["| weights | hips | n | metric | found [95 %] |", "|---|---|---|---|---|"]
    for each in table.to_dict("records"):
        sign = "+" if each["metric"].startswith("bias") else ""
        interval = " to ".join(f"{each[end]:{sign}.3f}" for end in ("low", "high"))
        lines.append(
            f"| {each['weights']} | {each['hips']} | {each['n']:,} | {each['metric']} | "
            f"{each['value']:{sign}.3f} [{interval}] |"
        )
    first = table.iloc[0]
    lines += ["", f"Simulated hips, seed {first['seed']}; commit {first['commit']}; {first['machine']}."]
    return "\n".join(lines)


METRICS: dict[Callable[..., float], str] = {pearson_r: "r", r2: "R²", bias: "bias, g/cm²"}


if __name__ == "__main__":
    main()
