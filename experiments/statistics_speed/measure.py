"""Time every result table of six models on 5,000 patients with 2,000 bootstrap replicates.

python experiments/statistics_speed/measure.py [--patients 5000] [--models 6] [--replicates 2000]
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from xattn_bmd import get_reference
from xattn_bmd.metrics.tables.agreement import agreement_table
from xattn_bmd.metrics.tables.calibration_curve import calibration_curve_table
from xattn_bmd.metrics.tables.classes import classes_table
from xattn_bmd.metrics.tables.comparisons import comparisons_table
from xattn_bmd.metrics.tables.conformal import conformal_table
from xattn_bmd.metrics.tables.curves import curves_table
from xattn_bmd.metrics.tables.decision_curve import decision_curve_table
from xattn_bmd.metrics.tables.detectable import detectable_table
from xattn_bmd.metrics.tables.reclassification import reclassification_summary_table
from xattn_bmd.metrics.tables.regression import metrics_table
from xattn_bmd.metrics.tables.screening import screening_table
from xattn_bmd.metrics.tables.subgroups import subgroups_table
from xattn_bmd.metrics.tables.transferred import transferred_table
from xattn_bmd.metrics.tables.triage import triage_table

REFERENCE = get_reference("lunar_femoral_neck_white_female")
METRICS = ("metrics", "agreement", "screening", "transferred", "classes", "comparisons")
"""Tables of metrics; the others are curves, fitted things and groups."""


def predictions(patients: int, models: int, seed: int = 0) -> pd.DataFrame:
    """Return a made-up predictions table: one radiograph per patient, ten folds."""
    rng = np.random.default_rng(seed)
    target = rng.normal(0.88, 0.147, patients)
    shared = {
        "radiograph_id": [f"r{row:06d}" for row in range(patients)],
        "patient_id": [f"p{row:06d}" for row in range(patients)],
        "site": "",
        "repeat": 0,
        "fold": rng.permutation(patients) % 10,
        "target": target,
    }
    names = ["concat", *(f"model_{number}" for number in range(1, models))]
    parts = [
        pd.DataFrame(
            {**shared, "model": name, "prediction": 0.88 + 0.6 * (target - 0.88) + rng.normal(0, 0.08, patients)}
        )
        for name in names
    ]
    return pd.concat(parts, ignore_index=True)


def tables(patients: int) -> dict[str, Callable[..., pd.DataFrame]]:
    """Return every table function, ready for predictions, seed and replicates."""
    with_reference = {
        "screening": screening_table,
        "transferred": transferred_table,
        "classes": classes_table,
        "reclassification": reclassification_summary_table,
        "triage": triage_table,
        "curves": curves_table,
        "decision curve": decision_curve_table,
    }
    sex = np.where(np.arange(patients) % 2, "female", "male")
    return {
        "metrics": metrics_table,
        "agreement": agreement_table,
        "calibration curve": calibration_curve_table,
        "comparisons": partial(comparisons_table, reference=REFERENCE),
        "detectable": detectable_table,
        "conformal": conformal_table,
        **{name: partial(_referenced, function) for name, function in with_reference.items()},
        "subgroups": lambda given, **more: subgroups_table(given, REFERENCE, groups={"sex": sex}, **more),
    }


def _referenced(function: Callable[..., pd.DataFrame], given: pd.DataFrame, **more: int) -> pd.DataFrame:
    return function(given, REFERENCE, **more)


def main() -> None:
    """Print the seconds of every table, of the tables of metrics together, and of all together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=5000)
    parser.add_argument("--models", type=int, default=6)
    parser.add_argument("--replicates", type=int, default=2000)
    chosen = parser.parse_args()
    given = predictions(chosen.patients, chosen.models)
    seconds = {}
    for name, function in tables(chosen.patients).items():
        start = time.perf_counter()
        function(given, seed=0, replicates=chosen.replicates)
        seconds[name] = time.perf_counter() - start
        print(f"{name:18s} {seconds[name]:6.2f} s", flush=True)
    print(f"{'tables of metrics':18s} {sum(seconds[name] for name in METRICS):6.2f} s: {', '.join(METRICS)}")
    print(f"{'all tables':18s} {sum(seconds.values()):6.2f} s")
    print(
        f"{chosen.models} models, {chosen.patients:,} patients, {chosen.replicates:,} replicates; made-up predictions, "
        f"seed 0; {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()
