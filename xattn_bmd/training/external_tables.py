"""Result tables of an external validation: the same statistics, with everything fitted carried over unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import WHO_THRESHOLDS
from xattn_bmd.metrics.conformal import cv_plus_interval
from xattn_bmd.metrics.intervals import (
    Draws,
    Interval,
    bca_interval,
    patient_draws,
    resampled_sums,
    split_draws,
)
from xattn_bmd.metrics.pooled import drawn_sums
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.risk import carried_risk
from xattn_bmd.metrics.screening import low_density
from xattn_bmd.metrics.tables.agreement import AGREEMENT_COLUMNS, RECALIBRATED_METRICS, agreement_table
from xattn_bmd.metrics.tables.conformal import CONFORMAL_COLUMNS, LEVELS
from xattn_bmd.metrics.tables.decision_curve import decision_curve_table
from xattn_bmd.metrics.tables.layout import NAN, POOLED, frame, interval_reason, valued
from xattn_bmd.metrics.tables.regression import metrics_table
from xattn_bmd.metrics.tables.screening import screening_table
from xattn_bmd.metrics.tables.triage import CARRIED_OVER, triage_table
from xattn_bmd.training.external_drop import EXTERNAL
from xattn_bmd.training.prediction.development import Development

CV_PLUS = "cv_plus"


class Carried(NamedTuple):
    """One predictor's side of an evaluation.

    Attributes:
        development: what it keeps of its development.
        density: (K, N) estimates of its fold models, g/cm², radiographs in the order of the predictions table.
    """

    development: Development
    density: NDArray[np.float64]


def external_metrics(predictions: pd.DataFrame, *, seed: int, replicates: int) -> pd.DataFrame:
    """Return the regression metrics of every model; there are no folds to pool or to vary over."""
    table = metrics_table(predictions, seed=seed, replicates=replicates)
    return table[table["method"] == POOLED].assign(method=EXTERNAL).reset_index(drop=True)


def external_screening(
    predictions: pd.DataFrame, reference: Reference, carried: Mapping[str, Carried], *, seed: int, replicates: int
) -> pd.DataFrame:
    """Return the screening metrics of every model at the development's thresholds, Brier score of its risks."""
    table = screening_table(predictions, reference, seed=seed, replicates=replicates)
    table = table.assign(method=table["method"].replace(POOLED, EXTERNAL))
    grid = prediction_grid(predictions)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    for row in table.index[table["metric"] == "brier"]:
        model, threshold = str(table.loc[row, "model"]), float(table.loc[row, "threshold"])
        line = carried[model].development.recalibration
        (risk,) = carried_risk(
            grid, model=model, reference=reference, threshold=threshold, line=line, on=CARRIED_OVER
        ).probability
        error = (risk - low_density(grid.target, reference=reference, threshold=threshold)) ** 2
        sums = drawn_sums(grid, np.stack([error, np.ones_like(error)], axis=1), draws)
        score = split_draws(sums[:, 0] / sums[:, 1], draws)
        cells = valued(score) | {"fitted_on": CARRIED_OVER, "reason": interval_reason(score)}
        table.loc[row, list(cells)] = list(cells.values())
    return table


def external_agreement(
    predictions: pd.DataFrame, carried: Mapping[str, Carried], *, seed: int, replicates: int
) -> pd.DataFrame:
    """Return agreement and calibration, and the metrics after the development's recalibration."""
    found = agreement_table(predictions, seed=seed, replicates=replicates)
    plain = found[~found["metric"].isin([f"recalibrated_{metric}" for metric in RECALIBRATED_METRICS])]
    lines = {model: each.development.recalibration for model, each in carried.items()}
    after = pd.concat(
        [rows.assign(prediction=lines[model](rows["prediction"].to_numpy())) for model, rows in _models(predictions)]
    )
    scored = external_metrics(after, seed=seed, replicates=replicates)
    scored = scored[scored["metric"].isin(RECALIBRATED_METRICS)]
    scored = scored.assign(metric="recalibrated_" + scored["metric"], p=NAN, fitted_on=CARRIED_OVER)
    both = pd.concat([plain, scored[list(AGREEMENT_COLUMNS)]])
    place = {model: position for position, model in enumerate(carried)}
    return both.sort_values("model", key=lambda names: names.map(place), kind="stable").reset_index(drop=True)


def external_triage(
    predictions: pd.DataFrame, reference: Reference, carried: Mapping[str, Carried], *, seed: int, replicates: int
) -> pd.DataFrame:
    """Return how many predictions the development's cuts decide here, and how rightly."""
    cuts = {
        (model, threshold): fitted
        for model, each in carried.items()
        for threshold, fitted in each.development.triage.items()
    }
    return triage_table(predictions, reference, cuts=cuts, seed=seed, replicates=replicates)


def external_decision_curve(
    predictions: pd.DataFrame, reference: Reference, carried: Mapping[str, Carried], *, seed: int, replicates: int
) -> pd.DataFrame:
    """Return the net benefit of every model with the development's risks."""
    grid = prediction_grid(predictions)
    risks = {
        (model, threshold): carried_risk(
            grid,
            model=model,
            reference=reference,
            threshold=threshold,
            line=each.development.recalibration,
            on=CARRIED_OVER,
        )
        for model, each in carried.items()
        for threshold in WHO_THRESHOLDS
    }
    return decision_curve_table(predictions, reference, risks=risks, seed=seed, replicates=replicates)


def external_coverage(
    predictions: pd.DataFrame, carried: Mapping[str, Carried], *, seed: int, replicates: int
) -> pd.DataFrame:
    """Return how often the measured density lies in the CV+ interval, and the interval's mean width, g/cm².

    The share has no interval where it is the same in every bootstrap replicate.
    """
    rows = []
    for model, table in _models(predictions):
        patients = np.unique(table["patient_id"], return_inverse=True)[1]
        draws = patient_draws(int(patients.max()) + 1, seed=seed, replicates=replicates)
        residuals, density = carried[model].development.residuals, carried[model].density
        for level in LEVELS:
            ends = cv_plus_interval(density, residuals.size, residuals.fold, level=level)
            inside = (table["target"].to_numpy() >= ends.low) & (table["target"].to_numpy() <= ends.high)
            share = _share(inside, patients, draws)
            rows.append(
                {
                    "model": model,
                    "method": CV_PLUS,
                    "level": level,
                    "group": "all",
                    "coverage": inside.mean(),
                    "low": share.low,
                    "high": share.high,
                    "width": float(np.mean(ends.high - ends.low)),
                    "n": len(table),
                    "patients": int(patients.max()) + 1,
                    "fitted_on": CARRIED_OVER,
                }
            )
    return frame(rows, CONFORMAL_COLUMNS)


def _models(predictions: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for model, rows in predictions.groupby("model", sort=False):
        yield str(model), rows


def _share(inside: NDArray[np.bool_], patients: NDArray[np.int64], draws: Draws) -> Interval:
    sums = np.zeros((int(patients.max()) + 1, 2))
    np.add.at(sums, patients, np.stack([inside, np.ones_like(inside)], axis=1).astype(np.float64))
    drawn = resampled_sums(draws.weights, sums)
    return bca_interval(split_draws(drawn[:, 0] / drawn[:, 1], draws))
