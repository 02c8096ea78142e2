"""Coverage and width of every model's prediction intervals, overall and by subgroup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.conformal import Band, Ends, band_of, conformal_interval, conformal_quantile, conformity_scores
from xattn_bmd.metrics.crossfit import Calibration, FittingRows, crossfit
from xattn_bmd.metrics.groups import Groups
from xattn_bmd.metrics.intervals import REPLICATES, Draws, Resampled, bca_interval, patient_draws, split_draws
from xattn_bmd.metrics.pooled import drawn_sums
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid
from xattn_bmd.metrics.tables.layout import NAN, frame
from xattn_bmd.metrics.tables.subgroups import FEWEST_PATIENTS

if TYPE_CHECKING:
    import pandas as pd

CONFORMAL_COLUMNS = (
    *("model", "method", "level", "group", "coverage", "low", "high"),
    *("width", "n", "patients", "fitted_on"),
)
LEVELS = (0.9, 0.95)

_QUANTILE_LEVEL = 0.9  # between the 5 and the 95 % quantile


class Intervals(NamedTuple):
    """The intervals of one model by one method.

    Attributes:
        method: ``"split"``, ``"cross_fold"``, ``"gaussian"`` or ``"quantile"``.
        low: (repeats, N) lower ends, g/cm².
        high: (repeats, N) upper ends, g/cm².
        fitted_on: where the widths come from; empty for a head's own interval.
    """

    method: str
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    fitted_on: str


def conformal_table(
    predictions: pd.DataFrame,
    *,
    groups: Groups | None = None,
    calibration: Calibration | None = None,
    levels: Sequence[float] = LEVELS,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return how often each model's intervals hold the measured density, and how wide they are.

    There are up to three methods:

    - ``split``: conformal, scores from the inner validation part of each fold; where ``calibration`` is given;
    - ``cross_fold``: conformal, scores from the out-of-fold predictions of the other folds; with two folds or more.
      The models behind those had the scored radiographs in training, so the promise of coverage is approximate;
    - ``gaussian``, ``quantile``: the head's own interval, as it is; the latter at level 0.9 alone.

    The scores follow the model's columns; see :mod:`xattn_bmd.metrics.conformal`.

    Args:
        predictions: a predictions table.
        groups: for each variable the group of each radiograph, (N,), in the order of the sorted ids; from
            :func:`xattn_bmd.metrics.groups.groups_from_record`.
        calibration: rows of the inner validation parts, or None.
        levels: nominal coverages.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, method, level, group) with :data:`CONFORMAL_COLUMNS`: share of radiographs inside their
        interval with its patient-bootstrap 95 % interval (BCa), and mean width in g/cm² (infinite where some fold has
        too few scores for the level).  NaN for groups with fewer than 10 patients.

    Raises:
        MetricError: if the table cannot be scored, a level is not between 0 and 1, or a variable of ``groups`` does
            not have one label per radiograph.
    """
    grid = prediction_grid(predictions)
    masks = _group_masks(grid, groups or {})
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    rows = [
        {"model": model, "level": level} | row
        for model in grid.predictions
        for level in levels
        for made in _all_intervals(grid, model, level, calibration)
        for row in _coverage_rows(grid, made, masks, draws)
    ]
    return frame(rows, CONFORMAL_COLUMNS)


def _all_intervals(
    grid: PredictionGrid, model: str, level: float, calibration: Calibration | None
) -> Iterator[Intervals]:
    bands = [_band(grid, model, repeat) for repeat in range(len(grid.folds))]
    if calibration is not None:
        yield from _conformal(grid, model, bands, level, calibration)
    yield from _conformal(grid, model, bands, level, None)
    if (model, "sd") in grid.given:
        z = NormalDist().inv_cdf(0.5 + 0.5 * level)
        yield _intervals("gaussian", [conformal_interval(band, z) for band in bands], "")
    elif (model, "q05") in grid.given and np.isclose(level, _QUANTILE_LEVEL):
        yield _intervals("quantile", [conformal_interval(band, 0.0) for band in bands], "")


def _conformal(
    grid: PredictionGrid, model: str, bands: list[Band], level: float, calibration: Calibration | None
) -> Iterator[Intervals]:
    """Yield the intervals of every fold joined; nothing where a repeat has a single fold and no calibration."""

    def fit(given: FittingRows) -> float:
        scores = conformity_scores(given.target, band_of(given.prediction, given.given))
        return conformal_quantile(scores, level=level)

    quantiles = np.full(grid.folds.shape, NAN)
    fits = crossfit(grid, model=model, fit=fit, calibration=calibration)
    for one in fits:
        quantiles[one.repeat, one.rows] = one.fitted
    if np.isnan(quantiles).any():
        return
    method = "cross_fold" if calibration is None else "split"
    ends = [conformal_interval(band, row) for band, row in zip(bands, quantiles, strict=True)]
    yield _intervals(method, ends, fits[0].on)


def _intervals(method: str, ends: list[Ends], fitted_on: str) -> Intervals:
    return Intervals(method, np.stack([one.low for one in ends]), np.stack([one.high for one in ends]), fitted_on)


def _band(grid: PredictionGrid, model: str, repeat: int) -> Band:
    given = {column: values[repeat] for (name, column), values in grid.given.items() if name == model}
    return band_of(grid.predictions[model][repeat], given)


def _coverage_rows(
    grid: PredictionGrid, made: Intervals, masks: dict[str, NDArray[np.bool_]], draws: Draws
) -> Iterator[dict[str, Any]]:
    inside = ((made.low <= grid.target) & (grid.target <= made.high)).mean(axis=0)
    width = (made.high - made.low).mean(axis=0)
    for group, rows in masks.items():
        patients = len(np.unique(grid.patients[rows]))
        shared = {"method": made.method, "group": group, "fitted_on": made.fitted_on}
        counted = {"n": int(rows.sum()), "patients": patients}
        if group != "all" and patients < FEWEST_PATIENTS:
            yield shared | counted | dict.fromkeys(("coverage", "low", "high", "width"), NAN)
            continue
        coverage = _coverage(grid, inside, rows, draws)
        ends = bca_interval(coverage)._asdict()
        yield shared | counted | ends | {"coverage": coverage.value, "width": float(width[rows].mean())}


def _coverage(grid: PredictionGrid, inside: NDArray[np.float64], rows: NDArray[np.bool_], draws: Draws) -> Resampled:
    sums = drawn_sums(grid, np.stack([inside * rows, rows.astype(np.float64)], axis=1), draws)
    with np.errstate(invalid="ignore"):  # a draw may hold nobody of a small group
        return split_draws(sums[:, 0] / sums[:, 1], draws)


def _group_masks(grid: PredictionGrid, groups: Groups) -> dict[str, NDArray[np.bool_]]:
    masks = {"all": np.ones(len(grid.target), dtype=np.bool_)}
    for variable, values in groups.items():
        labels = np.asarray(values, dtype=str)
        if labels.shape != grid.target.shape:
            raise MetricError(
                f"A group has one label per radiograph, in the order of their ids, but {variable!r} has "
                f"{labels.size} for {len(grid.target)} radiographs; give empty text where it is not known."
            )
        masks |= {f"{variable}={label}": labels == label for label in np.unique(labels) if label}
    return masks
