"""Means over radiographs with patient-bootstrap intervals, and as multiples of chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.metrics.intervals import Draws, Resampled, patient_draws, resampled_sums, split_draws
from xattn_bmd.metrics.tables.layout import INTERVAL_COLUMNS, frame, interval_reason, valued

if TYPE_CHECKING:
    import pandas as pd

OVERLAP_COLUMNS = ("method", "heat_of", "region", "measure", *INTERVAL_COLUMNS, "chance", "n", "patients", "reason")
"""Columns of ``overlap.csv``; ``heat_of`` is ``trained`` or the name of a control."""

OVER_CHANCE = "over_chance"


def overlap_table(
    scores: pd.DataFrame,
    *,
    patients: Sequence[str],
    method: str,
    heat_of: str,
    regions: Sequence[str],
    measures: Sequence[str],
    seed: int = 0,
    replicates: int = 2000,
) -> pd.DataFrame:
    """Return the mean of every score with its 95 % interval, and the same as a multiple of chance.

    ``share_over_chance`` is the mean share by the mean share of the area: 1 for heat that knows nothing.  Radiographs
    without heat are left out; a single patient has values and no intervals, and ``reason`` says so.

    Args:
        scores: one row per radiograph, from :func:`~xattn_bmd.explanation.judge.scores.region_scores`.
        patients: patient of each row.
        method: name of the method.
        heat_of: ``trained``, or the name of a control.
        regions: regions wanted.
        measures: scores wanted.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.
    """
    names, codes = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    draws = patient_draws(len(names), seed=seed, replicates=replicates)
    shared = {"method": method, "heat_of": heat_of}
    rows: list[dict[str, Any]] = []
    for region in regions:
        for measure in measures:
            value, chance = (scores[f"{region}_{measure}{end}"].to_numpy(dtype=np.float64) for end in ("", "_chance"))
            rows += [{**shared, "region": region, **row} for row in _rows(measure, value, chance, codes, draws)]
    return frame(rows, OVERLAP_COLUMNS)


def mean_rows(
    values: NDArray[np.float64], *, patients: Sequence[str], seed: int = 0, replicates: int = 2000
) -> list[dict[str, Any]]:
    """Return the mean of each column of ``(N, K)`` with its interval, ``n``, ``patients`` and ``reason``.

    Args:
        values: ``(N, K)``; a row with NaN is left out of that column.
        patients: patient of each row.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Example:
        >>> mean_rows(np.array([[1.0], [3.0]]), patients=["a", "b"], replicates=100)[0]["value"]
        2.0
    """
    names, codes = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    draws = patient_draws(len(names), seed=seed, replicates=replicates)
    return [_row(_ratio(column, np.ones(len(column)), codes, draws), column, codes) for column in values.T]


def _rows(
    measure: str, value: NDArray[np.float64], chance: NDArray[np.float64], codes: NDArray[np.int64], draws: Draws
) -> Iterator[dict[str, Any]]:
    known = ~np.isnan(value)
    by_chance = float(chance[known].mean()) if known.any() else float("nan")
    plain = _row(_ratio(value, np.ones(len(value)), codes, draws), value, codes)
    yield {"measure": measure, "chance": by_chance, **plain}
    times = _row(_ratio(value, chance, codes, draws), value, codes)
    yield {"measure": f"{measure}_{OVER_CHANCE}", "chance": 1.0, **times}


def _ratio(value: NDArray[np.float64], by: NDArray[np.float64], codes: NDArray[np.int64], draws: Draws) -> Resampled:
    """Return the sum of one column by the sum of another, over rows where the first is known."""
    known = ~np.isnan(value)
    pairs = np.stack([np.where(known, value, 0.0), np.where(known, by, 0.0)], axis=1)
    summed = np.zeros((draws.weights.shape[1], 2))
    np.add.at(summed, codes, pairs)
    above, below = resampled_sums(draws.weights, summed).T
    return split_draws(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0), draws)


def _row(statistic: Resampled, value: NDArray[np.float64], codes: NDArray[np.int64]) -> dict[str, Any]:
    known = ~np.isnan(value)
    counted = {"n": int(known.sum()), "patients": len(np.unique(codes[known]))}
    return {**valued(statistic), **counted, "reason": interval_reason(statistic)}
