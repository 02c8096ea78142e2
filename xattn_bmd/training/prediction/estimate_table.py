"""What a predictor says of each radiograph, from the densities that its folds estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.bone.density_classes import CLASS_NAMES
from xattn_bmd.bone.qct import qct_class
from xattn_bmd.bone.reference import Reference, Unit
from xattn_bmd.bone.tscore import NORMAL_EDGE, density_at, t_score, who_class
from xattn_bmd.data.withheld import Known
from xattn_bmd.metrics.class_checks import probability_columns
from xattn_bmd.metrics.conformal import cv_plus_interval
from xattn_bmd.metrics.risk import probability_below
from xattn_bmd.training.fits.class_table import probability_table, with_likeliest
from xattn_bmd.training.prediction.development import Development

ESTIMATE_COLUMNS = (
    "radiograph_id",
    "prediction",
    "low",
    "high",
    "level",
    "fold_sd",
    "t_score",
    "who_class",
    "probability_low",
    "reference",
    "simulated",
    "inputs",
)
"""Columns of :meth:`~xattn_bmd.training.prediction.predictor.Predictor.predict`, in order, of areal density."""


def estimate_columns(unit: Unit) -> tuple[str, ...]:
    """Return the columns of a predictor's estimates: volumetric densities have a class of QCT, and no T-score.

    Example:
        >>> estimate_columns("mg/cm3")[6:8]
        ('qct_class', 'probability_low')
    """
    if unit == "g/cm2":
        return ESTIMATE_COLUMNS
    at = ESTIMATE_COLUMNS.index("t_score")
    return (*ESTIMATE_COLUMNS[:at], "qct_class", *ESTIMATE_COLUMNS[at + 2 :])


def class_head_columns(unit: Unit) -> tuple[str, ...]:
    """Return the columns that a class head beside the density adds to a predictor's estimates.

    Example:
        >>> class_head_columns("mg/cm3")[:2]
        ('joint_class', 'joint_probability_normal')
    """
    return ("joint_class", *(f"joint_{name}" for name in probability_columns(CLASS_NAMES[unit])))


def class_head_estimates(classes: NDArray[np.float64], unit: Unit) -> pd.DataFrame:
    """Return the likeliest class by the class heads, and the mean probability of each over the fold models.

    Args:
        classes: (K, N, 3) probabilities by each fold's model.
        unit: of the densities.
    """
    table = with_likeliest(probability_table(classes.mean(axis=0), CLASS_NAMES[unit]), CLASS_NAMES[unit])
    return table.set_axis(class_head_columns(unit), axis=1)


def estimate_table(
    radiograph_ids: Sequence[str],
    each: NDArray[np.float64],
    *,
    inputs: Sequence[Known],
    development: Mapping[Known, Development],
    reference: Reference,
    level: float,
) -> pd.DataFrame:
    """Return one row per radiograph; each depends on its own estimates alone.

    Args:
        radiograph_ids: ``N`` ids.
        each: (K, N) density by each fold's model, g/cm².
        inputs: ``N`` times, what the model saw.
        development: what the predictor keeps of the cohort that it was developed on, by what it saw there.
        reference: young-adult population of the T-scores.
        level: wanted coverage of ``low`` to ``high``.

    Returns:
        The columns ``radiograph_id`` to ``probability_low`` of :data:`ESTIMATE_COLUMNS`, and ``inputs``.

    Raises:
        MetricError: if the level is no share between 0 and 1.
    """
    parts = []
    for seen in dict.fromkeys(inputs):
        rows = [row for row, found in enumerate(inputs) if found == seen]
        names = [radiograph_ids[row] for row in rows]
        part = _table(names, each[:, rows], development=development[seen], reference=reference, level=level)
        parts.append(part.assign(inputs=seen).set_axis(rows))
    return pd.concat(parts).sort_index()


def _table(
    radiograph_ids: list[str],
    each: NDArray[np.float64],
    *,
    development: Development,
    reference: Reference,
    level: float,
) -> pd.DataFrame:
    density, residuals = each.mean(axis=0), development.residuals
    ends = cv_plus_interval(each, residuals.size, residuals.fold, level=level)
    scores = t_score(density, reference=reference)
    edge, line = float(density_at(NORMAL_EDGE, reference=reference)), development.recalibration
    areal = reference.unit == "g/cm2"
    return pd.DataFrame(
        {
            "radiograph_id": radiograph_ids,
            "prediction": density,
            "low": ends.low,
            "high": ends.high,
            "level": level,
            "fold_sd": each.std(axis=0, ddof=1) if len(each) > 1 else np.nan,
            **({"t_score": scores, "who_class": who_class(scores)} if areal else {"qct_class": qct_class(density)}),
            "probability_low": probability_below(edge, mean=line(density), sd=np.float64(line.residual_sd)),
        }
    )
