"""Rule-in and rule-out triage of every model at every threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import WHO_THRESHOLDS
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.crossfit import Calibration, FittingRows, crossfit
from xattn_bmd.metrics.intervals import REPLICATES, Resampled, patient_draws
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.tables.layout import INTERVAL_COLUMNS, frame, interval_reason, valued
from xattn_bmd.metrics.triage import WANTED, Triage, TriageCuts, apply_triage, fit_triage, pooled_triage

if TYPE_CHECKING:
    import pandas as pd

TRIAGE_COLUMNS = ("model", "threshold", "wanted", "metric", *INTERVAL_COLUMNS, "n", "fitted_on", "reason")

CARRIED_OVER = "development cohort, carried over unchanged"

_PREDICTIVE = {"rule_in": "PPV", "rule_out": "NPV"}
_NOBODY = {"ppv": "nobody is ruled in", "npv": "nobody is ruled out"}


class _Decision(NamedTuple):
    triage: Triage
    cuts: list[TriageCuts]
    on: str


def triage_table(
    predictions: pd.DataFrame,
    reference: Reference,
    *,
    calibration: Calibration | None = None,
    cuts: Mapping[tuple[str, float], TriageCuts] | None = None,
    wanted: float = WANTED,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return, for every model at T = -1 and T = -2.5, how many predictions decide and how rightly.

    The cut-offs of a fold are fitted without its rows.  They are taken as given when intervals are made.

    Args:
        predictions: a predictions table, densities on the device scale of ``reference``.
        reference: the young-adult population of the T-scores.
        calibration: rows of the inner validation parts; None fits on the other folds.
        cuts: cut-offs by (model, threshold), carried over from another cohort; None fits them.
        wanted: predictive values that the cut-offs are (or were) fitted to reach.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, threshold, metric) with :data:`TRIAGE_COLUMNS`; ``reason`` says why a value or its interval
        is NaN, or in how many fits no cut-off reached ``wanted``.  Empty where there is nothing to fit on: a single
        fold without ``calibration`` and without ``cuts``.

    Raises:
        MetricError: if the table cannot be scored, ``calibration`` lacks a fold, or ``cuts`` a model.
    """
    grid = prediction_grid(predictions)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    rows = []
    for model, threshold in ((model, threshold) for model in grid.predictions for threshold in WHO_THRESHOLDS):
        fit = partial(fit_triage, reference=reference, threshold=threshold, wanted=wanted)
        decision = (
            _carried(grid, model, threshold, cuts) if cuts is not None else _crossfitted(grid, model, fit, calibration)
        )
        if decision is None:
            continue
        pooled = pooled_triage(grid, triage=decision.triage, draws=draws, reference=reference, threshold=threshold)
        shared = {"model": model, "threshold": threshold, "wanted": wanted, "n": len(grid.target)}
        rows += [shared | row for row in _rows(decision, pooled)]
    return frame(rows, TRIAGE_COLUMNS)


def _crossfitted(
    grid: PredictionGrid,
    model: str,
    fit: Callable[[FittingRows], TriageCuts],
    calibration: Calibration | None,
) -> _Decision | None:
    fits = crossfit(grid, model=model, fit=fit, calibration=calibration)
    prediction = grid.predictions[model]
    triage = Triage(np.zeros(prediction.shape, dtype=bool), np.zeros(prediction.shape, dtype=bool))
    scored = np.zeros(prediction.shape, dtype=bool)
    for one in fits:
        scored[one.repeat] |= one.rows
        for decided, of_fold in zip(triage, apply_triage(prediction[one.repeat], one.fitted), strict=True):
            decided[one.repeat] |= of_fold & one.rows
    return _Decision(triage, [one.fitted for one in fits], fits[0].on) if scored.all() else None


def _carried(
    grid: PredictionGrid, model: str, threshold: float, cuts: Mapping[tuple[str, float], TriageCuts]
) -> _Decision:
    if (model, threshold) not in cuts:
        raise MetricError(
            f"Carried-over triage has cut-offs for every model and threshold, but model {model}, T = {threshold:g} has "
            "none; fit them where the model was developed, or leave the model out."
        )
    given = cuts[model, threshold]
    return _Decision(apply_triage(grid.predictions[model], given), [given], CARRIED_OVER)


def _rows(decision: _Decision, pooled: Mapping[str, Resampled]) -> Iterator[dict[str, Any]]:
    for metric, statistic in pooled.items():
        without = _no_interval(metric, statistic)
        yield {
            "metric": metric,
            **valued(statistic),
            "fitted_on": decision.on,
            "reason": "; ".join(filter(None, (_unreached(metric, decision.cuts), without))),
        }


def _no_interval(metric: str, statistic: Resampled) -> str:
    return _NOBODY[metric] if np.isnan(statistic.value) else interval_reason(statistic)


def _unreached(metric: str, cuts: list[TriageCuts]) -> str:
    if metric not in _PREDICTIVE:
        return ""
    unreached = sum(getattr(one, metric) is None for one in cuts)
    return (
        f"no cut-off reached the wanted {_PREDICTIVE[metric]} in {unreached} of {len(cuts)} fits" if unreached else ""
    )
