"""How often do the prediction intervals of a nominal 90 and 95 % hold the measured density?

Trains on the clinical record of simulated patients (no images), five folds, and prints the coverage with its 95 %
patient-bootstrap interval and the mean width: split and cross-fold intervals and the heads' own on the patients of the
study, CV+ intervals on as many new ones.  Run: python experiments/conformal_coverage/measure.py [patients]
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from xattn_bmd import Cohort, CompareConfig, ModelConfig, Predictor, Run, TrainingConfig, compare
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.metrics.crossfit import calibration_rows
from xattn_bmd.metrics.intervals import patient_bootstrap, percentile_interval
from xattn_bmd.metrics.tables.conformal import LEVELS, conformal_table
from xattn_bmd.simulate.subjects import draw_hips

PATIENTS, SEED, NEW_SEED = 5000, 0, 1
WANTED = 0.02
NUMERIC = ("age_xray", "height", "weight", "bmi", "alcohol", "activity", "diet")
ROLES = CohortRoles.from_dict(
    {
        "id": "radiograph_id",
        "patient": "patient_id",
        "target": {"column": "fn_bmd", "unit": "g/cm2"},
        "reference": "lunar_femoral_neck_white_female",
        "numeric": list(NUMERIC),
        "categorical": {"sex": ["female", "male"], "smoking": ["never", "former", "current"]},
        "stratify": ["sex"],
        "simulated": True,
    }
)
TRAINING = TrainingConfig(epochs=12, patience=12, batch_size=64, learning_rate=5e-3, accelerator="cpu")


def cohort(seed: int, patients: int) -> Cohort:
    """Return the record and the density of simulated patients; some have two hips."""
    hips = draw_hips(n=round(1.08 * patients), preset="hcs", seed=seed)
    rows = [
        {
            "radiograph_id": hip.radiograph_id,
            "patient_id": hip.patient_id,
            **{name: getattr(hip, name) for name in (*NUMERIC, "sex", "smoking", "fn_bmd")},
        }
        for hip in hips
    ]
    return Cohort.from_table(pd.DataFrame(rows), roles=ROLES)


def settings() -> dict[str, CompareConfig]:
    """Return one comparison for each head."""
    point = CompareConfig(models=("ridge", "boosted_trees"), folds=5, seed=SEED, training=TRAINING)
    gaussian = CompareConfig(
        models=("metadata_only",),
        folds=5,
        seed=SEED,
        model=ModelConfig(width=32, head="gaussian"),
        training=TrainingConfig(**{**vars(TRAINING), "loss": "gaussian_nll"}),
    )
    quantile = CompareConfig(
        models=("metadata_only",),
        folds=5,
        seed=SEED,
        model=ModelConfig(width=32, head="quantile"),
        training=TrainingConfig(**{**vars(TRAINING), "loss": "pinball"}),
    )
    return {"point": point, "gaussian": gaussian, "quantile": quantile}


def within(run: Run) -> Iterator[dict[str, object]]:
    """Yield coverage on the patients of the study, overall and by sex."""
    assert run.calibration is not None and run.record is not None
    record = run.record.sort_values("radiograph_id")
    table = conformal_table(
        run.predictions,
        groups={"sex": record["sex"].to_numpy(dtype=str)},
        calibration=calibration_rows(run.calibration),
        seed=SEED,
    )
    yield from table.to_dict("records")


def on_new_patients(run: Run, new: Cohort) -> Iterator[dict[str, object]]:
    """Yield coverage of CV+ intervals on patients that no fold model has seen."""
    counts = patient_bootstrap(new.patient_ids, seed=SEED).astype(float)
    for model in run.config.models:
        predictor = Predictor.from_run(run, model)
        for level in LEVELS:
            found = predictor.predict(new, level=level)
            low, high = found["low"].to_numpy(), found["high"].to_numpy()
            inside = (low <= new.targets) & (new.targets <= high)
            ends = percentile_interval(counts @ inside / counts.sum(axis=1))
            yield {
                "model": model,
                "method": "cv_plus",
                "level": level,
                "group": "all",
                "coverage": inside.mean(),
                "width": float(np.mean(high - low)),
                "n": len(new),
                "patients": len(set(new.patient_ids)),
                **ends._asdict(),
            }


def main(patients: int) -> None:
    """Fit, score and print."""
    old, new = (cohort(seed, patients) for seed in (SEED, NEW_SEED))
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"simulated patients, seeds {SEED} (study) and {NEW_SEED} (new); target: within {100 * WANTED:.0f} points")
    worst = 0.0
    for head, config in settings().items():
        with tempfile.TemporaryDirectory() as folder:
            run = compare(old, out=Path(folder) / "RUN", config=config, progress=False)
            for row in [*within(run), *on_new_patients(run, new)]:
                off = float(str(row["coverage"])) - float(str(row["level"]))
                if row["group"] == "all" and row["method"] in ("split", "cross_fold", "cv_plus"):
                    worst = max(worst, abs(off))
                print(
                    "{model:14s} {head:9s} {method:11s} {level:.2f} {group:11s} coverage {coverage:.3f} "
                    "[{low:.3f}, {high:.3f}]  width {width:.3f} g/cm2  n {n} of {patients} patients".format(
                        head=head, **row
                    )
                )
    print(f"largest distance of a conformal coverage from nominal, all patients: {100 * worst:.1f} points")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PATIENTS)
