"""The calibration curve of every model: mean measured density by bins of predicted density."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.metrics.intervals import REPLICATES, Draws, patient_draws, split_draws
from xattn_bmd.metrics.pooled import drawn_sums
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.tables.layout import frame, valued

if TYPE_CHECKING:
    import pandas as pd

CALIBRATION_CURVE_COLUMNS = ("model", "bin", "predicted", "observed", "low", "high", "n")
MIN_PER_BIN = 10
"""Fewest radiographs that a bin is planned for; small cohorts get fewer bins."""


def calibration_curve_table(
    predictions: pd.DataFrame, *, bins: int = 10, seed: int = 0, replicates: int = REPLICATES
) -> pd.DataFrame:
    """Return mean predicted and mean measured density in bins between quantiles of the prediction.

    Equal predictions share a bin, so ties may leave fewer bins.  The bins are those of the cohort as observed; only
    the patients in them are drawn again for the interval.

    Args:
        predictions: a predictions table.
        bins: most bins of a model; no more than one per ten radiographs are made.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, bin), bins from 0, with :data:`CALIBRATION_CURVE_COLUMNS`; densities in g/cm², ``low`` and
        ``high`` the BCa interval of ``observed``, ``n`` the radiographs with a prediction in the bin in any repeat.

    Raises:
        MetricError: if the table cannot be scored.
    """
    grid = prediction_grid(predictions)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    most = max(1, min(bins, len(grid.target) // MIN_PER_BIN))
    rows = [row for model in grid.predictions for row in _curve_rows(grid, model, draws, most)]
    return frame(rows, CALIBRATION_CURVE_COLUMNS)


def quantile_bins(prediction: NDArray[np.float64], *, bins: int) -> NDArray[np.int64]:
    """Return the bin of every prediction, numbered from 0 without gaps, in the shape of ``prediction``.

    Example:
        >>> quantile_bins(np.array([0.1, 0.2, 0.2, 0.9]), bins=2).tolist()
        [0, 0, 0, 1]
    """
    edges = np.quantile(prediction, np.arange(1, bins) / bins)
    codes = np.searchsorted(edges, prediction.ravel(), side="left")
    return np.unique(codes, return_inverse=True)[1].astype(np.int64).reshape(prediction.shape)


def _curve_rows(grid: PredictionGrid, model: str, draws: Draws, bins: int) -> Iterator[dict[str, Any]]:
    prediction = grid.predictions[model]
    codes = quantile_bins(prediction, bins=bins)
    inside = codes[..., None] == np.arange(codes.max() + 1)
    terms = np.concatenate([inside, inside * grid.target[:, None]], axis=-1).mean(axis=0)
    counts, totals = np.split(drawn_sums(grid, terms, draws), 2, axis=1)
    observed = totals / np.where(counts > 0, counts, np.nan)
    for number, values in enumerate(observed.T):
        ends = valued(split_draws(values, draws))
        yield {
            "model": model,
            "bin": number,
            "predicted": float(prediction[inside[..., number]].mean()),
            "observed": ends["value"],
            "low": ends["low"],
            "high": ends["high"],
            "n": int(inside[..., number].any(axis=0).sum()),
        }
