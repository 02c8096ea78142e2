"""Every model compared with one model on the same patients, by every paired test, adjusted for their number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import WHO_THRESHOLDS
from xattn_bmd.metrics.auroc import weighted_auroc
from xattn_bmd.metrics.intervals import REPLICATES, Draws, Resampled, patient_draws, resample
from xattn_bmd.metrics.paired.bootstrap import PAIRED_BOOTSTRAP, RELATIVE_METRICS, compare_paired
from xattn_bmd.metrics.paired.delong import DELONG, delong
from xattn_bmd.metrics.paired.holm import holm
from xattn_bmd.metrics.paired.mcnemar import mcnemar
from xattn_bmd.metrics.paired.resampled_t import CORRECTED_T, corrected_resampled_t
from xattn_bmd.metrics.paired.wilcoxon import WILCOXON, wilcoxon
from xattn_bmd.metrics.pooled import fold_sums, mean_over_repeats, pooled_regression, scored_folds
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.regression import metrics_from_sums
from xattn_bmd.metrics.screening import low_density
from xattn_bmd.metrics.tables.layout import frame

if TYPE_CHECKING:
    import pandas as pd

COMPARISON_COLUMNS = (
    *("model_a", "model_b", "metric", "threshold", "test", "difference", "relative", "low", "high"),
    *("relative_low", "relative_high", "p", "p_holm", "n"),
)
FOLD_METRICS = ("mse", "mae", "r2", "pearson_r", "ccc")
"""Metrics that the corrected t-test compares fold by fold."""

_FAMILY = ("metric", "threshold", "test")


def comparisons_table(
    predictions: pd.DataFrame,
    *,
    reference: Reference | None = None,
    against: str = "concat",
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return every other model compared with one model on the same patients, by several tests.

    ======================== ========================================= ==============================================
    test                     metrics                                   ``difference``
    ======================== ========================================= ==============================================
    paired_patient_bootstrap regression metrics; AUROC by threshold    of the pooled metrics; percentile interval
    corrected_resampled_t    MSE, MAE, R², r, concordance              mean over folds of the fold-wise metrics
    wilcoxon_signed_rank     MAE                                       median over patients of the absolute errors
    delong                   AUROC by threshold                        of the pooled areas; normal interval
    mcnemar_exact/_clustered accuracy, sensitivity, specificity        in the share called rightly, patients equal
    ======================== ========================================= ==============================================

    Which to rely on (measured in ``experiments/interval_coverage``): the corrected t-test keeps its level even where
    both ways of training would come out differently if repeated, at the price of power.  All others take the trained
    models as given; with models that vary much from one training to the next they reject more often than 5 %.

    ``p_holm`` is adjusted by Holm's rule for the number of models compared: a family is one test of one metric (and
    threshold) over all pairs of models in the table.  Several metrics or tests are not adjusted for: name the primary
    one before looking.

    Args:
        predictions: a predictions table.
        reference: the young-adult population of the T-scores; None leaves out the rows with a threshold.
        against: model b of every comparison.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model a, metric, threshold, test) with :data:`COMPARISON_COLUMNS`; ``relative`` is ``(a - b) / b``,
        so -0.167 for MSE is "16.7 % less"; ``threshold`` is NaN for metrics without one; ``n`` counts the radiographs
        that the test rests on.  Empty where ``against`` is not among the models.

    Raises:
        MetricError: if the table cannot be scored.
    """
    grid = prediction_grid(predictions)
    if against not in grid.predictions:
        return frame([], COMPARISON_COLUMNS)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    others = [model for model in grid.predictions if model != against]
    rows = [*_bootstrap_rows(grid, others, against, draws), *_error_rows(grid, others, against)]
    if reference is not None:
        for threshold in WHO_THRESHOLDS:
            rows += _screening_rows(grid, others, against, draws, reference=reference, threshold=threshold)
    shared = {"model_b": against, "threshold": float("nan"), "n": len(grid.target)}
    return _with_holm(frame([shared | row for row in rows], COMPARISON_COLUMNS))


def _bootstrap_rows(grid: PredictionGrid, others: list[str], against: str, draws: Draws) -> Iterator[dict[str, Any]]:
    base = pooled_regression(grid, model=against, draws=draws)
    for model in others:
        for metric, pooled in pooled_regression(grid, model=model, draws=draws).items():
            compared = compare_paired(pooled, base[metric], relative=metric in RELATIVE_METRICS)
            yield {"model_a": model, "metric": metric, "test": PAIRED_BOOTSTRAP} | compared._asdict()


def _error_rows(grid: PredictionGrid, others: list[str], against: str) -> Iterator[dict[str, Any]]:
    base, shares = metrics_from_sums(fold_sums(grid, model=against)), _test_shares(grid)
    errors = grid.predictions[against] - grid.target
    for model in others:
        by_fold = metrics_from_sums(fold_sums(grid, model=model))
        for metric in FOLD_METRICS:
            tested = corrected_resampled_t(by_fold[metric] - base[metric], test_share=shares)
            yield {"model_a": model, "metric": metric, "test": CORRECTED_T} | tested._asdict()
        ranked = wilcoxon(grid.predictions[model] - grid.target, errors, patients=grid.patients)
        yield {"model_a": model, "metric": "mae", "test": WILCOXON} | ranked._asdict()


def _test_shares(grid: PredictionGrid) -> NDArray[np.float64]:
    """Return ``n_test / n_train`` of each fold of each repeat, (R,)."""
    tested = np.array([rows.sum() for _, rows in scored_folds(grid)])
    # A single fold has no training radiographs in the table; its share is never used.
    return np.asarray(tested / np.maximum(len(grid.target) - tested, 1))


def _screening_rows(
    grid: PredictionGrid, others: list[str], against: str, draws: Draws, *, reference: Reference, threshold: float
) -> list[dict[str, Any]]:
    low = low_density(grid.target, reference=reference, threshold=threshold)
    right = {
        model: low_density(each, reference=reference, threshold=threshold) == low
        for model, each in grid.predictions.items()
    }
    found = [*_area_rows(grid, low, others, against, draws), *_call_rows(grid, low, right, others, against)]
    return [{"threshold": threshold} | row for row in found]


def _area_rows(
    grid: PredictionGrid, low: NDArray[np.bool_], others: list[str], against: str, draws: Draws
) -> Iterator[dict[str, Any]]:
    base = _drawn_area(grid, low, against, draws)
    for model in others:
        shared = {"model_a": model, "metric": "auroc"}
        drawn = compare_paired(_drawn_area(grid, low, model, draws), base, relative=False)
        yield shared | {"test": PAIRED_BOOTSTRAP} | drawn._asdict()
        tested = delong(low, -grid.predictions[model], -grid.predictions[against], patients=grid.patients)
        yield shared | {"test": DELONG} | tested._asdict()


def _drawn_area(grid: PredictionGrid, low: NDArray[np.bool_], model: str, draws: Draws) -> Resampled:
    scores = -grid.predictions[model]
    area = mean_over_repeats(grid, lambda repeat: lambda weights: weighted_auroc(low, scores[repeat], weights))
    return resample(area, draws, grid.patients)


def _call_rows(
    grid: PredictionGrid, low: NDArray[np.bool_], right: dict[str, NDArray[np.bool_]], others: list[str], against: str
) -> Iterator[dict[str, Any]]:
    rows_of = {"accuracy": np.ones_like(low), "sensitivity": low, "specificity": ~low}
    for model in others:
        for metric, rows in rows_of.items():
            tested = mcnemar(right[model][:, rows], right[against][:, rows], patients=grid.patients[rows])
            yield {"model_a": model, "metric": metric, "n": int(rows.sum())} | tested._asdict()


def _with_holm(table: pd.DataFrame) -> pd.DataFrame:
    adjusted = table.groupby(list(_FAMILY), dropna=False, sort=False)["p"].transform(holm)
    return table.assign(p_holm=adjusted.astype(np.float64))
