"""Predictive values of every model in populations where low density is as common as stated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import NORMAL_EDGE, OSTEOPOROSIS_EDGE
from xattn_bmd.metrics.intervals import REPLICATES, Draws, patient_draws, split_draws
from xattn_bmd.metrics.pooled import drawn_sums
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.prevalence import transferred_values
from xattn_bmd.metrics.screening import low_density
from xattn_bmd.metrics.tables.layout import INTERVAL_COLUMNS, frame, interval_reason, valued
from xattn_bmd.metrics.two_by_two import confusion_terms, rates_from_counts, undefined_reasons

if TYPE_CHECKING:
    import pandas as pd

TRANSFERRED_COLUMNS = ("model", "threshold", "prevalence", "metric", *INTERVAL_COLUMNS, "n", "reason")

NO_CALLS_THERE = "nobody would be called so at this prevalence"

NHANES_SOURCE = "femoral neck, age 50 and over, NHANES 2005-06 (Looker 2010, J Bone Miner Res)"
WOMEN_OSTEOPOROSIS = 0.10
WOMEN_OSTEOPENIA = 0.49
MEN_OSTEOPOROSIS = 0.02
MEN_OSTEOPENIA = 0.30

NHANES_PREVALENCES: Mapping[float, Sequence[float]] = MappingProxyType(
    {
        NORMAL_EDGE: (round(WOMEN_OSTEOPENIA + WOMEN_OSTEOPOROSIS, 2), round(MEN_OSTEOPENIA + MEN_OSTEOPOROSIS, 2)),
        OSTEOPOROSIS_EDGE: (WOMEN_OSTEOPOROSIS, MEN_OSTEOPOROSIS),
    }
)
"""Prevalence of low density among women and among men at each WHO threshold, from :data:`NHANES_SOURCE`."""


def known_prevalences(reference: Reference) -> Mapping[float, Sequence[float]]:
    """Return the prevalences that are known for a reference: those of areal density; none for QCT.

    Example:
        >>> from xattn_bmd.bone.reference import QCT_SPINE
        >>> known_prevalences(QCT_SPINE)
        {}
    """
    return NHANES_PREVALENCES if reference.unit == "g/cm2" else {}


def transferred_table(
    predictions: pd.DataFrame,
    reference: Reference,
    *,
    prevalences: Mapping[float, Sequence[float]] = NHANES_PREVALENCES,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return the predictive values that every model would have at stated prevalences of low density.

    Args:
        predictions: a predictions table, densities on the device scale of ``reference``.
        reference: the young-adult population of the T-scores.
        prevalences: shares of low density in 0-1 by T-score threshold; they are taken as exact.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, threshold, prevalence, metric) with :data:`TRANSFERRED_COLUMNS`; metric is ``ppv`` or
        ``npv``, and ``reason`` says why a value or its interval is NaN.

    Raises:
        MetricError: if the table cannot be scored, or a prevalence is not in 0-1.
        ConfigError: if a threshold is not a finite number.
    """
    grid = prediction_grid(predictions)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    rows = []
    for model in grid.predictions:
        for threshold, shares in prevalences.items():
            counts = _drawn_counts(grid, model, draws, reference, threshold)
            for share in dict.fromkeys(shares):
                shared = {"model": model, "threshold": threshold, "prevalence": share, "n": len(grid.target)}
                rows += [shared | row for row in _transferred_rows(counts, draws, share)]
    return frame(rows, TRANSFERRED_COLUMNS)


def _drawn_counts(
    grid: PredictionGrid, model: str, draws: Draws, reference: Reference, threshold: float
) -> NDArray[np.float64]:
    called = low_density(grid.predictions[model], reference=reference, threshold=threshold)
    low = low_density(grid.target, reference=reference, threshold=threshold)
    return drawn_sums(grid, confusion_terms(np.broadcast_to(low, called.shape), called).mean(axis=0), draws)


def _transferred_rows(counts: NDArray[np.float64], draws: Draws, prevalence: float) -> Iterator[dict[str, Any]]:
    rates = rates_from_counts(counts)
    values = transferred_values(rates["sensitivity"], rates["specificity"], prevalence=prevalence)
    unknown = undefined_reasons(counts[0]).get("balanced_accuracy", NO_CALLS_THERE)
    for metric, each in values._asdict().items():
        statistic = split_draws(each, draws)
        reason = unknown if np.isnan(statistic.value) else interval_reason(statistic)
        yield {"metric": metric, "reason": reason} | valued(statistic)
