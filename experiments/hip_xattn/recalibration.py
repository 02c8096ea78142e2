"""What a few measured hips of a new hospital repair: predictions put right by a line through them, scored on others.

Run: python experiments/hip_xattn/recalibration.py --runs FOLDER
Exploratory.  FOLDER is that of run.py, with finished external evaluations.  Prints the table, writes
results/recalibration.csv and puts the table between the README's markers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from origin import FILE, read_origin
from study import EXTERNAL
from summary import over_draws
from tables import HERE, put_between
from wording import markdown, shown

from xattn_bmd.atomic import atomic_write
from xattn_bmd.bone.reference import Reference, get_reference
from xattn_bmd.bone.tscore import NORMAL_EDGE
from xattn_bmd.errors import RunError
from xattn_bmd.metrics.calibration import fit_recalibration
from xattn_bmd.metrics.crossfit import FittingRows
from xattn_bmd.metrics.regression import r2
from xattn_bmd.metrics.screening import low_density
from xattn_bmd.metrics.two_by_two import confusion_terms, rates_from_counts

CASES = (0, 10, 25, 50, 100)
SPLITS = 50
SEED = 0
Floats = NDArray[np.float64]


def main() -> None:
    """Score, store and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    rows = pd.DataFrame(list(scored(parser.parse_args().runs)))
    atomic_write(HERE / "results" / "recalibration.csv", rows.to_csv(index=False, float_format="%.6g"))
    text = markdown(cells(rows))
    put_between(HERE / "README.md", "recalibration", text)
    print(text)


def scored(root: Path) -> Iterator[dict[str, Any]]:
    """Yield one row for each evaluation, model and number of cases: means over random choices of the cases.

    Raises:
        RunError: if there is no finished evaluation.
    """
    folders = sorted(path.parent for path in (root / "runs" / EXTERNAL).glob(f"*/draw_*/{FILE}"))
    if not folders:
        raise RunError(f"Recalibration needs finished external evaluations, but {root} holds none; run run.py first.")
    for folder in folders:
        origin = read_origin(folder)
        assert origin is not None
        reference = get_reference(json.loads((folder / "cohort.json").read_text())["roles"]["reference"])
        table = pd.read_csv(folder / "predictions.csv")
        for model, found in table.groupby("model", sort=False):
            for cases in CASES:
                means = np.mean(list(_splits(found, cases=cases, reference=reference)), axis=0)
                yield {
                    "arm": origin.arm, "model": model, "cases": cases, "n": len(found), "draw": origin.draw,
                    **dict(zip(("r2", "bias", "f1"), means, strict=True)), "splits": SPLITS, "seed": SEED,
                    "commit": origin.commit, "machine": origin.machine,
                }  # fmt: skip


def _splits(found: pd.DataFrame, *, cases: int, reference: Reference) -> Iterator[tuple[float, float, float]]:
    target, prediction = (found[name].to_numpy(np.float64) for name in ("target", "prediction"))
    people = found["patient_id"].unique()
    for split in range(SPLITS if cases else 1):
        chosen = np.random.default_rng([SEED, split]).permutation(people)[:cases]
        known = found["patient_id"].isin(chosen).to_numpy()
        line = fit_recalibration(FittingRows(target[known], prediction[known]))
        right, read = target[~known], line(prediction[~known])
        low, called = (low_density(values, reference=reference, threshold=NORMAL_EDGE) for values in (right, read))
        counts = confusion_terms(low, called).sum(axis=0)
        yield float(r2(right, read)), float(np.mean(read - right)), float(rates_from_counts(counts)["f1"])


def cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table's texts: means over draws with t-intervals."""
    lines = []
    for (arm, model, cases), group in rows.groupby(["arm", "model", "cases"], sort=False):
        found = {name: over_draws(group[name]) for name in ("r2", "bias", "f1")}
        figures = {name: shown(name, each.mean, each.low, each.high) for name, each in found.items()}
        lines.append({"arm": arm, "model": model, "measured cases": cases, "draws": len(group)} | figures)
    return pd.DataFrame(lines).rename(columns={"r2": "R²", "bias": "bias (g/cm²)", "f1": "F1"})


if __name__ == "__main__":
    main()
