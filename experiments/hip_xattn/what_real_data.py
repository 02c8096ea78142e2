"""How many hips a study on real data would need to find the difference that was seen here, with 80 % power.

Run: python experiments/hip_xattn/what_real_data.py --runs FOLDER [--quick]
FOLDER is that of run.py.  Prints the table, writes results/real_data.csv and puts it between the README's markers; with
--quick (a folder of run.py --quick) both stay in FOLDER.
"""

from __future__ import annotations

import argparse
from collections.abc import Hashable, Iterator, Mapping
from math import ceil, isnan
from pathlib import Path
from typing import Any

import pandas as pd
from study import Arm, Study, read_study
from summary import over_draws
from tables import HERE, put_between
from wording import markdown

from xattn_bmd import load_run
from xattn_bmd.atomic import atomic_write
from xattn_bmd.errors import RunError
from xattn_bmd.metrics.power import POWER, detectable_difference, power_at
from xattn_bmd.metrics.tables.detectable import detectable_table

PAIR = ("xattn", "concat")
METRICS = {"mse": "MSE", "mae": "MAE"}
MOST = 1_000_000
"""Above this many hips a difference counts as none."""


def main() -> None:
    """Compute, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    home = asked.runs if asked.quick else HERE
    study = read_study(encoder=asked.runs / "tiny_encoder.safetensors" if asked.quick else None)
    table = needed_table(asked.runs, study)
    (home / "results").mkdir(exist_ok=True)
    atomic_write(home / "results" / "real_data.csv", table.to_csv(index=False, float_format="%.6g"))
    text = markdown(pd.DataFrame([_cells(row) for row in table.to_dict("records")]))
    put_between(home / "README.md", "real data", text)
    print(text)


def needed_table(root: Path, study: Study) -> pd.DataFrame:
    """Return the needed number of hips for every arm that compares both models, metric, difference and basis.

    Raises:
        RunError: if no such arm is finished in two draws.
    """
    rows = [row for arm in study.arms if set(PAIR) <= set(arm.config.models) for row in _arm_rows(root, arm, study)]
    if not rows:
        raise RunError(
            f"The sample size rests on two draws of an arm with {' and '.join(PAIR)}, but {root} holds none."
        )
    return pd.DataFrame(rows)


def _arm_rows(root: Path, arm: Arm, study: Study) -> Iterator[dict[str, Any]]:
    if arm.part == "ablations":
        return
    drawn = [_one_study(folder) for folder in sorted(arm.folder(root, 1).parent.glob("draw_*")) if _finished(folder)]
    if len(drawn) < 2:
        return
    table = pd.concat(drawn)
    for metric in METRICS:
        found = table[table["metric"] == metric]
        seen = over_draws(found["observed_relative"])
        error = float((found["standard_error"] / found["base"]).mean())
        bases = {"these trained models (paired bootstrap)": error, "two ways of training (SD between draws)": seen.sd}
        differences = {"seen": seen.mean, "seen, better end": seen.low, "the source's": study.source[metric]}
        for basis, relative_error in bases.items():
            for difference, relative in differences.items():
                yield {
                    "part": arm.part,
                    "arm": arm.name,
                    "n": int(found["n"].iloc[0]),
                    "draws": seen.draws,
                    "metric": metric,
                    "basis": basis,
                    "standard_error": relative_error,
                    "difference": difference,
                    "relative": relative,
                    "power": power_at(relative, error=relative_error) if relative < 0 else float("nan"),
                    "needed": needed(relative, error=relative_error, n=int(found["n"].iloc[0])),
                }


def needed(relative: float, *, error: float, n: int) -> float:
    """Return how many hips find a true relative difference with 80 % power (two-sided 5 %).

    The standard error is taken to fall with the root of the number of hips.

    Args:
        relative: the true difference.
        error: its standard error in a study of ``n`` hips, in the same unit.
        n: hips of that study.

    Returns:
        NaN where the difference is no gain, or where a million hips would not do.

    Example:
        >>> needed(-0.14, error=0.05, n=233), needed(0.02, error=0.05, n=233)
        (234.0, nan)
    """
    detectable = detectable_difference(error)
    if isnan(detectable) or not relative < 0:
        return float("nan")
    count = n * (detectable / relative) ** 2
    return float(ceil(count)) if count <= MOST else float("nan")


def _finished(folder: Path) -> bool:
    return (folder / "origin.json").is_file()


def _one_study(folder: Path) -> pd.DataFrame:
    run = load_run(folder)
    both = run.predictions[run.predictions["model"].isin(PAIR)]
    found = detectable_table(both, seed=run.config.seed)
    concat = run.metrics().query("model == 'concat' and method.str.startswith('pooled')").set_index("metric")["value"]
    return found.assign(base=found["metric"].map(concat))


def _cells(row: Mapping[Hashable, Any]) -> dict[str, str]:
    return {
        "part, arm": f"{row['part']} {row['arm']}, n = {row['n']}, {row['draws']} draws",
        "metric": METRICS[row["metric"]],
        "basis": row["basis"],
        "standard error": f"{100 * row['standard_error']:.1f} %",
        "difference": f"{row['difference']}: {100 * row['relative']:+.1f} %",
        f"hips for {100 * POWER:.0f} % power": "none would do" if isnan(row["needed"]) else f"{row['needed']:,.0f}",
        f"power with {row['n']}": "" if isnan(row["power"]) else f"{row['power']:.2f}",
    }


if __name__ == "__main__":
    main()
