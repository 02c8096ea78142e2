"""Every figure of the CT study as rows: bone, performance, drop elsewhere, what gives it back, paired differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from studies import (
    AS_READ,
    AUGMENTED,
    CALIBRATED,
    CONCATENATION,
    ELSEWHERE,
    HOME,
    MEAN_HU,
    NETWORK,
    NETWORKS,
    PHANTOM,
    TRAINING,
    Study,
)  # fmt: skip

from xattn_bmd import get_reference
from xattn_bmd.metrics.calibration import fit_recalibration
from xattn_bmd.metrics.crossfit import FittingRows
from xattn_bmd.metrics.independent import independent_difference
from xattn_bmd.metrics.intervals import Interval
from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP
from xattn_bmd.metrics.paired.resampled_t import CORRECTED_T
from xattn_bmd.metrics.tables.agreement import agreement_table
from xattn_bmd.metrics.tables.classes import classes_table
from xattn_bmd.metrics.tables.comparisons import comparisons_table
from xattn_bmd.metrics.tables.layout import POOLED
from xattn_bmd.metrics.tables.means import mean_rows
from xattn_bmd.metrics.tables.regression import metrics_table
from xattn_bmd.metrics.tables.screening import screening_table

EVERY = "all"
METRICS = ("mae", "rmse", "r2", "pearson_r")
OVERLAP = ("dice", "assd", "hd95")
RECALIBRATED = (NETWORK, "xattn", MEAN_HU, PHANTOM)
OSTEOPOROSIS = 80.0
"""mg/cm³; below it a scan counts as one of a patient with osteoporosis."""

_REFERENCE = get_reference("qct_lumbar_spine")


def figures(predictions: Mapping[str, pd.DataFrame], found: Mapping[str, pd.DataFrame], study: Study) -> pd.DataFrame:
    """Return every figure.

    Args:
        predictions: of each place, with the scanner of each scan.
        found: bones of each place.
        study: settings.
    """
    parts = [*(bone_rows(found[where], where, study) for where in found)]
    parts += [performance_rows(predictions[where], where, EVERY, study) for where in predictions]
    parts += [class_rows(predictions[where], where, study) for where in predictions]
    away = predictions[ELSEWHERE]
    for scanner, table in away.groupby("scanner"):
        parts.append(performance_rows(table, ELSEWHERE, str(scanner), study))
    scored = pd.concat(parts, ignore_index=True)
    parts = [scored, drop_rows(scored), *fusion_rows(predictions, study), *gain_rows(away, study)]
    parts += paired_rows(predictions, study)
    return pd.concat([*parts, recalibration_rows(away, study)], ignore_index=True)


def training_rows(predictions: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return errors and areas of every model on patients that it was trained on."""
    areas = class_rows(predictions, TRAINING, study)
    areas = areas[areas["metric"].astype(str).str.startswith("auroc")]
    return pd.concat([performance_rows(predictions, TRAINING, EVERY, study), areas], ignore_index=True)


def bone_rows(found: pd.DataFrame, where: str, study: Study) -> pd.DataFrame:
    """Return overlap with the truth, shares of scans with right levels and a phantom, and the numbers of lost scans."""
    rows: list[dict[str, object]] = []
    for scanner, table in [(EVERY, found), *found.groupby("scanner")]:
        shared = {"where": where, "scanner": scanner, "n": len(table)}
        segmented = table[table["dice"].notna()]
        values = segmented[list(OVERLAP)].to_numpy(dtype=np.float64)
        made = mean_rows(values, patients=segmented["patient_id"].tolist(), seed=study.seed)
        rows += [shared | row | {"metric": name} for name, row in zip(OVERLAP, made, strict=True)]
        kept = table[table["reason"] == ""]
        shares = {"right": kept["right"].astype(bool).mean(), "calibrated": kept["calibrated"].astype(bool).mean()}
        shares["lost"] = float(len(table) - len(kept))
        shares["lost, osteoporosis"] = float((table.loc[table["reason"] != "", "qct"] < OSTEOPOROSIS).sum())
        shares["osteoporosis"] = float((table["qct"] < OSTEOPOROSIS).sum())
        rows += [shared | {"metric": name, "value": float(value)} for name, value in shares.items()]
    return pd.DataFrame(rows).assign(table="bone")


def performance_rows(predictions: pd.DataFrame, where: str, scanner: str, study: Study) -> pd.DataFrame:
    """Return errors and bias of every model."""
    metrics = metrics_table(predictions, seed=study.seed)
    metrics = metrics[(metrics["method"] == POOLED) & metrics["metric"].isin(METRICS)]
    agreement = agreement_table(predictions, seed=study.seed)
    both = pd.concat([metrics, agreement[agreement["metric"] == "bias"]], ignore_index=True)
    return both.assign(table="performance", where=where, scanner=scanner)


def class_rows(predictions: pd.DataFrame, where: str, study: Study) -> pd.DataFrame:
    """Return the three classes at 120 and 80 mg/cm³ of the predicted density, and its area at each cut-off."""
    classes = classes_table(predictions, _REFERENCE, seed=study.seed)
    whole = classes[classes["class"].isin(("macro", "all"))]
    areas = screening_table(predictions, _REFERENCE, seed=study.seed)
    areas = areas[areas["metric"] == "auroc"]
    areas = areas.assign(metric="auroc " + areas["density_threshold"].map("{:g}".format))
    return pd.concat([whole, areas], ignore_index=True).assign(table="classes", where=where, scanner=EVERY)


def drop_rows(scored: pd.DataFrame) -> pd.DataFrame:
    """Return MAE elsewhere minus MAE at home, by scanner; the people are others."""
    mae = scored[(scored["table"] == "performance") & (scored["metric"] == "mae")]
    home = mae[mae["where"] == HOME].set_index("model")
    rows = []
    for row in mae[mae["where"] == ELSEWHERE].itertuples():
        own = home.loc[row.model]
        ends = independent_difference(
            float(row.value), Interval(row.low, row.high), float(own["value"]), Interval(own["low"], own["high"])
        )
        made = {"model": row.model, "scanner": row.scanner, "value": row.value - own["value"], "n": row.n}
        rows.append(made | {"low": ends.low, "high": ends.high})
    return pd.DataFrame(rows).assign(table="drop", where=ELSEWHERE, metric="mae")


def paired_rows(predictions: Mapping[str, pd.DataFrame], study: Study) -> Iterator[pd.DataFrame]:
    """Yield MAE of each model minus that of mean HU, on the same patients."""
    for where, table in predictions.items():
        yield _paired(table, MEAN_HU, study).assign(table="against mean HU", where=where, scanner=EVERY)
        if where == ELSEWHERE:
            for scanner, own in table.groupby("scanner"):
                paired = _paired(own, MEAN_HU, study)
                yield paired.assign(table="against mean HU", where=where, scanner=str(scanner))


def fusion_rows(predictions: Mapping[str, pd.DataFrame], study: Study) -> Iterator[pd.DataFrame]:
    """Yield MAE of each network minus that of concatenation, on the same patients."""
    for where, table in predictions.items():
        paired = _paired(table[table["model"].isin(NETWORKS)], CONCATENATION, study)
        yield paired.assign(table="against concatenation", where=where, scanner=EVERY)


def gain_rows(away: pd.DataFrame, study: Study) -> Iterator[pd.DataFrame]:
    """Yield what calibrated voxels and changed HU change in the network's MAE elsewhere."""
    for scanner, table in [(EVERY, away), *away.groupby("scanner")]:
        some = table[table["model"].isin((NETWORK, CALIBRATED, AUGMENTED))]
        yield _paired(some, NETWORK, study).assign(table="gain", where=ELSEWHERE, scanner=str(scanner))


def recalibration_rows(away: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return MAE before and after a line through a few patients of each scanner, on the others, and the difference."""
    before = away[away["model"].isin((*RECALIBRATED, *AS_READ))]
    before = before[~before["patient_id"].isin(known_patients(away, study))]
    parts = [
        before[before["model"].isin(RECALIBRATED)],
        recalibrated(away[away["model"].isin(RECALIBRATED)], study),
        before[before["model"].isin(AS_READ)],
    ]
    whole = pd.concat(parts, ignore_index=True)
    scored = performance_rows(whole, ELSEWHERE, EVERY, study).assign(table="recalibration")
    changes = []
    for model in RECALIBRATED:
        own = whole[whole["model"].isin((model, after(model)))]
        changes.append(_paired(own, model, study).assign(table="recalibration change", where=ELSEWHERE, scanner=EVERY))
    return pd.concat([scored, *changes], ignore_index=True)


def known_patients(away: pd.DataFrame, study: Study) -> set[str]:
    """Return the patients of each scanner that a recalibration is fitted on, drawn by the study's seed."""
    chosen: set[str] = set()
    for place, (_, table) in enumerate(away.groupby("scanner")):
        people = sorted(table["patient_id"].unique())
        chosen |= set(np.random.default_rng([study.seed, place]).permutation(people)[: study.known].tolist())
    return chosen


def recalibrated(away: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the predictions of the other patients, put right by a line through the known ones of their scanner."""
    known, parts = known_patients(away, study), []
    for (_, model), table in away.groupby(["scanner", "model"], sort=False):
        seen = table["patient_id"].isin(known)
        rows = FittingRows(*(table.loc[seen, name].to_numpy(np.float64) for name in ("target", "prediction")))
        mended = fit_recalibration(rows)(table.loc[~seen, "prediction"].to_numpy(np.float64))
        parts.append(table[~seen].assign(prediction=mended, model=after(str(model))))
    return pd.concat(parts, ignore_index=True)


def after(model: str) -> str:
    """Return the name of a model whose predictions were put right by scanner."""
    return f"{model}, recalibrated"


def _paired(predictions: pd.DataFrame, against: str, study: Study) -> pd.DataFrame:
    table = comparisons_table(predictions, against=against, seed=study.seed)
    table = table[(table["metric"] == "mae") & table["test"].isin((PAIRED_BOOTSTRAP, CORRECTED_T))]
    return table.rename(columns={"model_a": "model", "difference": "value"})
