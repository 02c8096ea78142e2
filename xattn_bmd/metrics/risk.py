"""Probability that a radiograph's density is low, given the predicted density.

The model is the plainest one that turns a density into a risk: the density is Gaussian around the recalibrated
prediction, so that

    risk = Phi((density threshold - intercept - slope · prediction) / SD).

Intercept, slope and SD come from the least-squares line of :mod:`xattn_bmd.metrics.calibration`, fitted for each scored
fold without its rows (:mod:`xattn_bmd.metrics.crossfit`).  A Gaussian head says for each radiograph how sure it is:
where the table has its ``sd``, that SD is taken as it stands, around the recalibrated mean.  It is not rescaled, so a
head that is too sure of itself pays for it in the Brier score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import density_at
from xattn_bmd.metrics.calibration import Recalibration, fit_recalibration
from xattn_bmd.metrics.crossfit import Calibration, crossfit
from xattn_bmd.metrics.predictions import PredictionGrid


@dataclass(frozen=True, eq=False)
class Risk:
    """Probability of low density.

    Attributes:
        probability: (repeats, N) in 0-1; NaN in folds for which nothing could be fitted.
        on: what the risks were fitted on; empty where nothing was fitted.
    """

    probability: NDArray[np.float64]
    on: str


def risk(
    grid: PredictionGrid,
    *,
    model: str,
    reference: Reference,
    threshold: float,
    calibration: Calibration | None = None,
) -> Risk:
    """Return the probability of low density of every radiograph, fitted without the fold that it is in.

    Args:
        grid: the predictions.
        model: one of its models.
        reference: the young-adult population of the T-scores.
        threshold: a T-score.
        calibration: rows of the inner validation parts; None fits on the other folds.

    Returns:
        The probabilities; all NaN where there is nothing to fit on (a single fold without ``calibration``), and NaN in
        folds whose fitting rows are too few for an SD.

    Raises:
        MetricError: if ``calibration`` lacks a fold of the model.
    """
    edge = float(density_at(threshold, reference=reference))
    prediction, own_sd = grid.predictions[model], grid.given.get((model, "sd"))
    fits = crossfit(grid, model=model, fit=fit_recalibration, calibration=calibration)
    probability = np.full(prediction.shape, np.nan)
    for fit in fits:
        place = fit.repeat, fit.rows
        sd = np.float64(fit.fitted.residual_sd) if own_sd is None else own_sd[place]
        probability[place] = probability_below(edge, mean=fit.fitted(prediction[place]), sd=sd)
    return Risk(probability, fits[0].on if fits else "")


def carried_risk(
    grid: PredictionGrid, *, model: str, reference: Reference, threshold: float, line: Recalibration, on: str
) -> Risk:
    """Return the probability of low density from a line that was fitted elsewhere, unchanged.

    Args:
        grid: the predictions.
        model: one of its models.
        reference: the young-adult population of the T-scores.
        threshold: a T-score.
        line: recalibration and residual SD of the cohort that the model was developed on.
        on: that cohort in words.
    """
    edge = float(density_at(threshold, reference=reference))
    mean = line(grid.predictions[model])
    return Risk(probability_below(edge, mean=mean, sd=np.float64(line.residual_sd)), on)


def probability_below(
    edge: float, *, mean: NDArray[np.float64], sd: NDArray[np.float64] | np.float64
) -> NDArray[np.float64]:
    """Return the probability that a Gaussian density lies below an edge.

    Args:
        edge: g/cm².
        mean: (N,) g/cm².
        sd: (N,) or scalar, g/cm², not negative; 0 is certainty, and one half exactly on the edge.

    Returns:
        (N,) probabilities; NaN where mean or SD is.

    Example:
        >>> probability_below(0.9, mean=np.array([0.8, 0.9, 1.0]), sd=np.float64(0.1)).round(3).tolist()
        [0.841, 0.5, 0.159]
    """
    from scipy.special import ndtr

    gap = edge - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where((gap == 0) & ~np.isnan(sd), 0.0, gap / sd)
    return np.asarray(ndtr(z), dtype=np.float64)
