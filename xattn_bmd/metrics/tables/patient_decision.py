"""Decisions about patients from predictions about their crops: areas, Brier scores and decision curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.metrics.auroc import weighted_auroc
from xattn_bmd.metrics.intervals import (
    REPLICATES,
    Draws,
    Resampled,
    patient_draws,
    percentile_interval,
    resample,
    split_draws,
    sums_of_draws,
)
from xattn_bmd.metrics.patient_risk import patient_risks
from xattn_bmd.metrics.tables.layout import INTERVAL_COLUMNS, frame, interval_reason, valued
from xattn_bmd.metrics.utility import PROBABILITIES, benefit_terms, checked_probabilities

if TYPE_CHECKING:
    import pandas as pd

PATIENT_METRICS_COLUMNS = ("model", "risk", "metric", *INTERVAL_COLUMNS, "n", "positive", "reason")
PATIENT_DECISION_COLUMNS = ("model", "risk", "probability", "net_benefit", "low", "high", "n", "positive", "fitted_on")
ACT_ON_ALL, ACT_ON_NONE = "act_on_all", "act_on_none"


def patient_metrics_table(
    predictions: pd.DataFrame,
    *,
    positive: str,
    developed: pd.DataFrame | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return how well every model tells the patients with a class from those without.

    Args:
        predictions: as for :func:`xattn_bmd.metrics.patient_risk.patient_risks`.
        positive: the class that is looked for.
        developed: as there.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, risk, metric) with :data:`PATIENT_METRICS_COLUMNS`: ``auroc`` and ``brier`` of the risk
        ``as given`` and ``recalibrated``; mean over repeats; intervals draw patients.

    Raises:
        MetricError: as there.
    """
    risks = patient_risks(predictions, positive=positive, developed=developed)
    draws = patient_draws(risks["patient_id"].nunique(), seed=seed, replicates=replicates)
    rows: list[dict[str, Any]] = []
    for model, kind, label, values, _ in _models(risks):
        shared = {"model": model, "risk": kind, "n": len(label), "positive": int(label.sum())}
        for metric, statistic in (("auroc", _area(label, values, draws)), ("brier", _brier(label, values, draws))):
            reason = "all patients are alike" if np.isnan(statistic.value) else interval_reason(statistic)
            rows.append(shared | {"metric": metric, "reason": reason} | valued(statistic))
    return frame(rows, PATIENT_METRICS_COLUMNS)


def patient_decision_table(
    predictions: pd.DataFrame,
    *,
    positive: str,
    developed: pd.DataFrame | None = None,
    probabilities: Sequence[float] = PROBABILITIES,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return the decision curve of every model: who is sent on (to MRI, say) because any crop may show a class?

    Args:
        predictions: as for :func:`xattn_bmd.metrics.patient_risk.patient_risks`.
        positive: the class that is looked for.
        developed: as there.
        probabilities: threshold probabilities, above 0 and below 1, chosen before looking at the curves.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, risk, probability) with :data:`PATIENT_DECISION_COLUMNS`; ``act_on_all`` and ``act_on_none``
        stand among the models, low and high are pointwise 95 % percentile bands over patients.

    Raises:
        MetricError: as there, or if a threshold probability is out of range.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"radiograph_id": ["a", "b"], "patient_id": ["p", "q"], "model": "cnn", "repeat": 0,
        ...     "fold": 0, "target": ["old", "fresh"], "probability_old": [0.9, 0.2], "probability_fresh": [0.1, 0.8]})
        >>> found = patient_decision_table(table, positive="fresh", probabilities=[0.5]).set_index("model")
        >>> found["net_benefit"].to_dict()
        {'cnn': 0.5, 'act_on_all': 0.0, 'act_on_none': 0.0}
    """
    places = checked_probabilities(probabilities)
    risks = patient_risks(predictions, positive=positive, developed=developed)
    draws = patient_draws(risks["patient_id"].nunique(), seed=seed, replicates=replicates)
    rows: list[dict[str, Any]] = []
    models = list(_models(risks))
    label = models[0][2]
    everyone = [(name, "", label, np.full((1, len(label)), act), "") for name, act in _WITHOUT_MODEL.items()]
    for model, kind, _, values, on in [*models, *everyone]:
        terms = np.mean([benefit_terms(label, of_repeat, places) for of_repeat in values], axis=0)
        sums = sums_of_draws(np.column_stack([np.ones(len(label)), terms]), draws, np.arange(len(label)))
        shared = {"model": model, "risk": kind, "n": len(label), "positive": int(label.sum()), "fitted_on": on}
        for place, column in zip(places, (sums[:, 1:] / sums[:, :1]).T, strict=True):
            benefit = split_draws(column, draws)
            band = percentile_interval(benefit.replicates)._asdict()
            rows.append(shared | {"probability": float(place), "net_benefit": benefit.value} | band)
    return frame(rows, PATIENT_DECISION_COLUMNS)


_WITHOUT_MODEL = {ACT_ON_ALL: 1.0, ACT_ON_NONE: 0.0}
_KINDS = {"as given": "risk", "recalibrated": "recalibrated"}


def _models(
    risks: pd.DataFrame,
) -> Iterator[tuple[str, str, NDArray[np.bool_], NDArray[np.float64], str]]:
    """Yield model, kind of risk, labels (P,), risks (repeats, P) and what they were fitted on, patients in order."""
    for model, of_model in risks.groupby("model", sort=False):
        ordered = of_model.sort_values(["repeat", "patient_id"], kind="stable")
        repeats = ordered["repeat"].nunique()
        label = ordered["positive"].to_numpy(dtype=bool).reshape(repeats, -1)[0]
        for kind, column in _KINDS.items():
            values = ordered[column].to_numpy(dtype=np.float64).reshape(repeats, -1)
            if not np.isnan(values).any():
                on = "" if kind == "as given" else str(ordered["on"].iloc[0])
                yield str(model), kind, label, values, on


def _area(label: NDArray[np.bool_], values: NDArray[np.float64], draws: Draws) -> Resampled:
    return resample(
        lambda weights: np.mean([weighted_auroc(label, repeat, weights) for repeat in values], axis=0),
        draws,
        np.arange(len(label)),
    )


def _brier(label: NDArray[np.bool_], values: NDArray[np.float64], draws: Draws) -> Resampled:
    squared = np.mean((values - label) ** 2, axis=0)
    sums = sums_of_draws(np.column_stack([np.ones(len(label)), squared]), draws, np.arange(len(label)))
    return split_draws(sums[:, 1] / sums[:, 0], draws)
