"""Do the 95 % intervals cover, and do the paired tests keep their 5 %, and is the computed power right?

Prints three tables with Monte-Carlo intervals and stores them as results/*.csv.
Run: python experiments/interval_coverage/measure.py
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from cohorts import BETTER, DESIGNS, Design, pairs, pairs_table, two_models_table
from sklearn.metrics import r2_score, roc_auc_score

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import density_at
from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP
from xattn_bmd.metrics.power import power_at
from xattn_bmd.metrics.tables.comparisons import comparisons_table
from xattn_bmd.metrics.tables.detectable import detectable_table
from xattn_bmd.metrics.tables.layout import POOLED
from xattn_bmd.metrics.tables.regression import metrics_table
from xattn_bmd.metrics.tables.screening import screening_table

DRAWS, N, REPLICATES, SEED, POPULATION = 500, 233, 1000, 20260101, 2_000_000
LUNAR = get_reference("lunar_femoral_neck_white_female")
RESULTS = Path(__file__).parent / "results"
METRICS = ("mae", "r2", "auroc")
KEYS = ["design", "metric", "threshold", "test"]


def population_values() -> dict[str, float]:
    """Return MAE, R² and AUROC (T < -1) of the population, by scikit-learn."""
    target, prediction = pairs(np.random.default_rng(SEED), POPULATION)
    low = target < float(density_at(-1.0, reference=LUNAR))
    return {
        "mae": float(np.abs(prediction - target).mean()),
        "r2": float(r2_score(target, prediction)),
        "auroc": float(roc_auc_score(low, -prediction)),
    }


def intervals_of(draw: int) -> pd.DataFrame:
    """Return value and intervals of each metric in one cohort."""
    table = pairs_table(np.random.default_rng([SEED, draw]), N)
    errors = metrics_table(table, seed=draw, replicates=REPLICATES)
    screened = screening_table(table, LUNAR, seed=draw, replicates=REPLICATES)
    both = pd.concat([errors[errors["method"] == POOLED], screened[screened["threshold"] == -1.0]])
    return both[both["metric"].isin(METRICS)].assign(draw=draw)


def tests_of(draw: int, *, name: str, design: Design) -> pd.DataFrame:
    """Return p of every test between two models in one cohort."""
    table = two_models_table(np.random.default_rng([SEED, draw]), design)
    compared = comparisons_table(table, reference=LUNAR, seed=draw, replicates=REPLICATES)
    # Which form McNemar's test takes hangs on the cohort: whether a patient has two radiographs of one class.
    compared["test"] = compared["test"].str.replace(r"mcnemar_.*", "mcnemar", regex=True)
    errors = detectable_table(table, seed=draw, replicates=REPLICATES)[["metric", "standard_error"]]
    compared = compared.assign(draw=draw, design=name).merge(errors, on="metric", how="left")
    return compared[[*KEYS, "draw", "difference", "relative", "low", "high", "p", "standard_error"]]


def monte_carlo(share: pd.Series, count: pd.Series) -> pd.DataFrame:
    """Return Wilson's 95 % interval of shares of ``count`` draws."""
    z = 1.96
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return pd.DataFrame({"mc_low": centre - half, "mc_high": centre + half})


def coverage(drawn: pd.DataFrame) -> pd.DataFrame:
    """Return the share of cohorts whose interval holds the population's value."""
    truth = drawn["metric"].map(population_values())
    rows = []
    for method, (low, high) in {"BCa": ("low", "high"), "percentile": ("percentile_low", "percentile_high")}.items():
        held = ((drawn[low] <= truth) & (truth <= drawn[high])).groupby(drawn["metric"])
        width = (drawn[high] - drawn[low]).groupby(drawn["metric"]).mean()
        part = pd.DataFrame({"truth": truth.groupby(drawn["metric"]).first(), "coverage": held.mean()})
        part = part.assign(width=width, draws=held.size(), interval=method)
        rows.append(part.join(monte_carlo(part["coverage"], part["draws"])).reset_index())
    return pd.concat(rows, ignore_index=True)[
        ["metric", "interval", "truth", "coverage", "mc_low", "mc_high", "width", "draws"]
    ]


def rejections(tested: pd.DataFrame) -> pd.DataFrame:
    """Return how often each test finds a difference between two equally good models at 5 %."""
    tested = tested.assign(
        rejected=(tested["p"] < 0.05).where(tested["p"].notna()),
        excluded=((tested["low"] > 0) | (tested["high"] < 0)).where(tested["low"].notna()),
    )
    groups = tested.groupby(KEYS, dropna=False, sort=False)
    summary = pd.DataFrame(
        {
            "rejected": groups["rejected"].mean().astype(float),
            "interval_excludes_0": groups["excluded"].mean().astype(float),
            "draws": groups["rejected"].count(),
        }
    )
    return summary.join(monte_carlo(summary["rejected"], summary["draws"])).reset_index()


def power(tested: pd.DataFrame) -> pd.DataFrame:
    """Return how often a true difference is found, and the mean power that was computed for it in each cohort."""
    tested = tested[tested["metric"].isin(("mse", "mae", "r2"))].dropna(subset=["p"])
    bootstrapped = tested[tested["test"] == PAIRED_BOOTSTRAP]
    true = bootstrapped.groupby("metric")[["difference", "relative"]].mean()
    computed = [
        power_at(true["difference"][metric], error=error)
        for metric, error in zip(bootstrapped["metric"], bootstrapped["standard_error"], strict=True)
    ]
    mean = pd.Series(computed).groupby(bootstrapped["metric"].to_numpy()).mean()
    rows = rejections(tested).drop(columns=["design", "threshold", "interval_excludes_0"])
    rows = rows.rename(columns={"rejected": "found"})
    return rows.assign(change=rows["metric"].map(true["relative"]), computed_power=rows["metric"].map(mean))


def main() -> None:
    """Print and store the three tables."""
    print(f"{DRAWS} cohorts of n = {N} (234 with 2 radiographs), seed {SEED}, {REPLICATES} bootstrap replicates")
    RESULTS.mkdir(exist_ok=True)
    with ProcessPoolExecutor(max_workers=2) as pool:
        drawn = pd.concat(pool.map(intervals_of, range(DRAWS), chunksize=10))
        tested = [
            pd.concat(pool.map(partial(tests_of, name=name, design=design), range(DRAWS), chunksize=10))
            for name, design in (DESIGNS | {"better": BETTER}).items()
        ]
    results = {
        "coverage": coverage(drawn),
        "rejections": rejections(pd.concat(tested[:-1])),
        "power": power(tested[-1]),
    }
    for name, table in results.items():
        table.to_csv(RESULTS / f"{name}.csv", index=False, float_format="%.6g")
        print(f"\n{name}\n{table.round(4).to_string(index=False)}")


if __name__ == "__main__":
    main()
