"""Decision curves of every model at every threshold, beside acting on everyone and on no one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import WHO_THRESHOLDS
from xattn_bmd.metrics.crossfit import Calibration
from xattn_bmd.metrics.intervals import REPLICATES, Draws, patient_draws, percentile_interval
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.risk import Risk, risk
from xattn_bmd.metrics.tables.layout import NAN, frame
from xattn_bmd.metrics.utility import PROBABILITIES, pooled_net_benefit

if TYPE_CHECKING:
    import pandas as pd

DECISION_CURVE_COLUMNS = (
    *("model", "threshold", "probability", "net_benefit", "low", "high", "n", "fitted_on", "reason"),
)

TREAT_ALL = "treat_all"
TREAT_NONE = "treat_none"

_NO_RISK = "left out: in some folds no risk could be fitted"


def decision_curve_table(
    predictions: pd.DataFrame,
    reference: Reference,
    *,
    calibration: Calibration | None = None,
    risks: Mapping[tuple[str, float], Risk] | None = None,
    probabilities: Sequence[float] = PROBABILITIES,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return the decision curve of every model at T = -1 and T = -2.5.

    The risk of low density comes from :func:`xattn_bmd.metrics.risk.risk`, fitted for each fold without its rows.

    Args:
        predictions: a predictions table, densities on the device scale of ``reference``.
        reference: the young-adult population of the T-scores.
        calibration: rows of the inner validation parts; None fits on the other folds.
        risks: risks by (model, threshold) that come from elsewhere, in place of fitted ones.
        probabilities: threshold probabilities, above 0 and below 1, chosen before looking at the curves.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, threshold, probability) with :data:`DECISION_CURVE_COLUMNS`; ``treat_all`` and
        ``treat_none`` stand among the models, low and high are pointwise 95 % percentile bands.  A model without a risk
        is left out: it has one row with the reason and no probability.  Empty where there is nothing to fit on: a
        single fold without ``calibration``.

    Raises:
        MetricError: if the table cannot be scored, ``calibration`` lacks a fold, or a probability is out of range.
    """
    grid = prediction_grid(predictions)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    rows = []
    for threshold in WHO_THRESHOLDS:
        shown = {
            model: risks[model, threshold]
            if risks is not None
            else risk(grid, model=model, reference=reference, threshold=threshold, calibration=calibration)
            for model in grid.predictions
        }
        if not any(one.on for one in shown.values()):
            continue
        for model, one in (shown | _without_model(grid)).items():
            benefits = _benefits(grid, one.probability, draws, reference, threshold, probabilities)
            shared = {"model": model, "threshold": threshold, "n": len(grid.target), "fitted_on": one.on}
            rows += [shared | row for row in benefits]
    return frame(rows, DECISION_CURVE_COLUMNS)


def _without_model(grid: PredictionGrid) -> dict[str, Risk]:
    shape = grid.folds.shape
    return {TREAT_ALL: Risk(np.ones(shape), ""), TREAT_NONE: Risk(np.zeros(shape), "")}


def _benefits(
    grid: PredictionGrid,
    risks: NDArray[np.float64],
    draws: Draws,
    reference: Reference,
    threshold: float,
    probabilities: Sequence[float],
) -> Iterator[dict[str, Any]]:
    if np.isnan(risks).any():
        yield {"probability": NAN, "net_benefit": NAN, "low": NAN, "high": NAN, "reason": _NO_RISK}
        return
    curve = pooled_net_benefit(
        grid, risk=risks, draws=draws, reference=reference, threshold=threshold, probabilities=probabilities
    )
    for probability, benefit in zip(probabilities, curve, strict=True):
        band = percentile_interval(benefit.replicates)._asdict()
        yield {"probability": float(probability), "net_benefit": benefit.value, "reason": ""} | band
