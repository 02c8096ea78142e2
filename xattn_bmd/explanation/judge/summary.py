"""Means over radiographs with patient-bootstrap intervals, and as multiples of chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.metrics.intervals import Draws, patient_draws
from xattn_bmd.metrics.tables.layout import INTERVAL_COLUMNS, frame
from xattn_bmd.metrics.tables.means import mean_row, ratio_of_sums

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


def _rows(
    measure: str, value: NDArray[np.float64], chance: NDArray[np.float64], codes: NDArray[np.int64], draws: Draws
) -> Iterator[dict[str, Any]]:
    known = ~np.isnan(value)
    by_chance = float(chance[known].mean()) if known.any() else float("nan")
    plain = mean_row(ratio_of_sums(value, np.ones(len(value)), codes, draws), value, codes)
    yield {"measure": measure, "chance": by_chance, **plain}
    times = mean_row(ratio_of_sums(value, chance, codes, draws), value, codes)
    yield {"measure": f"{measure}_{OVER_CHANCE}", "chance": 1.0, **times}
