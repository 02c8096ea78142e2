"""Every figure of the source, for each arm and for the difference of the twins, with patient-bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from studies import Study

from xattn_bmd import Explanation, Run, get_reference
from xattn_bmd.metrics.intervals import Resampled, patient_draws
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.tables.agreement import agreement_table, pooled_agreement
from xattn_bmd.metrics.tables.classes import classes_table, confusion_table
from xattn_bmd.metrics.tables.comparisons import comparisons_table
from xattn_bmd.metrics.tables.layout import POOLED, valued
from xattn_bmd.metrics.tables.means import mean_rows
from xattn_bmd.metrics.tables.reclassification import reclassification_summary_table
from xattn_bmd.metrics.tables.regression import metrics_table

ARMS = ("single-task", "multi-task")
CHANGE = "multi - single"
METRICS = ("mae", "rmse", "r2", "pearson_r")
AGREEMENT = ("bias", "loa_low", "loa_high")
TESTS = ("paired_patient_bootstrap", "corrected_resampled_t", "wilcoxon_signed_rank")
REFERENCE = {"chest": "lunar_spine_white_female", "hip": "lunar_femoral_neck_white_female"}


def performance_rows(predictions: Mapping[str, pd.DataFrame], study: Study, *, seed: int) -> pd.DataFrame:
    """Return errors, agreement and WHO classes of each arm, and how the twins differ.

    Args:
        predictions: predictions table of each arm, of one model and the same radiographs.
        study: names the reference population.
        seed: seed of the bootstrap.
    """
    reference = get_reference(REFERENCE[study.name])
    both = pd.concat([table.assign(model=arm) for arm, table in predictions.items()], ignore_index=True)
    metrics = metrics_table(both, seed=seed)
    agreement = agreement_table(both, seed=seed)
    classes = classes_table(both, reference, seed=seed)
    confusion = confusion_table(both, reference).rename(columns={"count": "value"})
    cells = confusion["true_class"] + " called " + confusion["predicted_class"]
    made = [
        metrics[(metrics["method"] == POOLED) & metrics["metric"].isin(METRICS)],
        agreement[agreement["metric"].isin(AGREEMENT)],
        classes.assign(metric=classes["class"] + " " + classes["metric"]),
        confusion.assign(metric=cells, n=len(both) // len(predictions)),
        _change(both, study, seed=seed),
    ]
    return pd.concat(made, ignore_index=True).rename(columns={"model": "arm"}).assign(where="internal")


def _change(both: pd.DataFrame, study: Study, *, seed: int) -> pd.DataFrame:
    """Return the paired differences: tests of MAE, its share, the share by which the limits narrow, classes changed."""
    reference = get_reference(REFERENCE[study.name])
    table = comparisons_table(both, reference=reference, against=ARMS[0], seed=seed)
    mae = table[(table["metric"] == "mae") & table["test"].isin(TESTS)]
    rows = [
        {
            "metric": f"mae, {row.test}",
            "value": row.difference,
            "low": row.low,
            "high": row.high,
            "p": row.p,
            "n": row.n,
        }
        for row in mae.itertuples()
    ]
    share = mae[mae["test"] == TESTS[0]].iloc[0]
    rows.append(
        {"metric": "mae, share", "value": share["relative"], "low": share["relative_low"],
         "high": share["relative_high"], "n": share["n"]}
    )  # fmt: skip
    rows.append({"metric": "width of the limits, share", "n": share["n"]} | _narrowed(both, seed=seed))
    changed = reclassification_summary_table(both, reference, against=ARMS[0], seed=seed)
    found = pd.concat([pd.DataFrame(rows), changed.assign(metric="class " + changed["metric"])], ignore_index=True)
    return found.assign(model=CHANGE)


def _narrowed(both: pd.DataFrame, *, seed: int) -> dict[str, float]:
    """Return by which share the limits of agreement are wider with the mask, drawn for both arms alike."""
    grid = prediction_grid(both)
    draws = patient_draws(grid.n_patients, seed=seed)
    single, multi = (pooled_agreement(grid, model=arm, draws=draws)["sd_difference"] for arm in ARMS)
    return valued(Resampled(*(m / s - 1 for m, s in zip(multi, single, strict=True))))


def where_rows(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return Dice of the mask heads, out of fold."""
    dice = runs[ARMS[1]].dice()
    return dice.assign(arm=ARMS[1], where="internal")


def overlap_rows(maps: Mapping[str, Explanation], study: Study, *, method: str, seed: int) -> pd.DataFrame:
    """Return how much of the heat lies on the region: both twins, their random controls, and the paired difference.

    Args:
        maps: explanation of the same radiographs by each arm's model.
        study: names the region.
        method: heat method.
        seed: seed of the bootstrap.
    """
    parts = []
    for arm, one in maps.items():
        found = one.overlap[(one.overlap["region"] == study.region)]
        kept = found[found["measure"].isin(("share", "share_over_chance"))]
        parts.append(kept.assign(arm=arm, metric=f"{method} " + kept["heat_of"] + " " + kept["measure"]))
    heats = [maps[arm].heat.set_index("radiograph_id") for arm in ARMS]
    name = f"{study.region}_share"
    moved = (heats[1][name] - heats[0][name]).to_numpy(dtype=np.float64)[:, None]
    (row,) = mean_rows(moved, patients=_patients(heats[0]), seed=seed)
    parts.append(pd.DataFrame([{"arm": CHANGE, "metric": f"{method} trained share"} | row]))
    return pd.concat(parts, ignore_index=True).assign(where="internal")


def _patients(heat: pd.DataFrame) -> list[str]:
    return heat["patient_id"].astype(str).tolist() if "patient_id" in heat else heat.index.astype(str).tolist()
