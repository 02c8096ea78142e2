"""The classes of a density, called by the predicted density or by a class head of its own, on the same radiographs.

A density names its class at the cut-offs of the reference.  For areas it also needs the chance of each class: that of a
Gaussian around the recalibrated prediction (:mod:`xattn_bmd.metrics.risk`), fitted without the scored fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.bone.density_classes import class_names
from xattn_bmd.bone.reference import Reference
from xattn_bmd.bone.tscore import WHO_THRESHOLDS
from xattn_bmd.metrics.calibration import Recalibration
from xattn_bmd.metrics.class_checks import probability_columns
from xattn_bmd.metrics.class_predictions import CLASS_PREDICTION_COLUMNS, class_grid, validate_class_predictions
from xattn_bmd.metrics.classification import who_codes
from xattn_bmd.metrics.confusion import ALL, MACRO
from xattn_bmd.metrics.crossfit import Calibration
from xattn_bmd.metrics.intervals import REPLICATES, Resampled, patient_draws
from xattn_bmd.metrics.paired.bootstrap import compare_paired
from xattn_bmd.metrics.predictions import PredictionGrid, prediction_grid, validate_predictions
from xattn_bmd.metrics.risk import carried_risk, risk
from xattn_bmd.metrics.tables.class_metrics import class_rows, class_statistics
from xattn_bmd.metrics.tables.layout import NAN, frame, interval_reason

if TYPE_CHECKING:
    import pandas as pd

BY_DENSITY, BY_HEAD, DIFFERENCE = "density", "class head", "class head - density"
CLASS_HEADS_COLUMNS = (
    *("model", "classes_from", "class", "metric", "value", "low", "high", "percentile_low", "percentile_high"),
    *("p", "n", "patients", "reason"),
)

_Chance = Callable[[PredictionGrid, str, float], NDArray[np.float64]]


def class_heads_table(
    predictions: pd.DataFrame,
    class_predictions: pd.DataFrame,
    reference: Reference,
    *,
    calibration: Calibration | None = None,
    lines: Mapping[str, Recalibration] | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return how well the classes of the density are told apart by the predicted density and by the class head.

    Args:
        predictions: a predictions table of densities, with every model and radiograph of ``class_predictions``.
        class_predictions: what the class heads say: a table of class predictions, with the names of
            :func:`~xattn_bmd.bone.density_classes.class_names`.
        reference: whose cut-offs class the densities.
        calibration: rows of the inner validation parts, on which the chances of the density are fitted; None fits on
            the other folds.
        lines: recalibration of each model that was fitted on another cohort, in place of ``calibration``.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model, classes_from, class, metric) with :data:`CLASS_HEADS_COLUMNS`, the metrics of
        :func:`~xattn_bmd.metrics.tables.class_metrics.class_metrics_table`.  ``classes_from`` is ``density``, ``class
        head``, or ``class head - density``: the paired difference of what sums up all classes, with percentile interval
        and bootstrap p-value, both on the same drawn patients.

    Raises:
        MetricError: if a table cannot be scored, or the two are not of the same radiographs.

    Example:
        >>> import pandas as pd
        >>> from xattn_bmd.bone.reference import QCT_SPINE
        >>> shared = {"radiograph_id": list("abc"), "patient_id": list("pqr"), "site": "", "model": "cnn", "repeat": 0,
        ...           "fold": [0, 1, 1]}
        >>> density = pd.DataFrame(
        ...     shared | {"target": [150.0, 100.0, 60.0], "prediction": [140.0, 125.0, 70.0], "unit": "mg/cm3"})
        >>> said = pd.DataFrame(shared | {"target": ["normal", "low", "osteoporosis"],
        ...     "probability_normal": [0.7, 0.3, 0.1], "probability_low": [0.2, 0.4, 0.2],
        ...     "probability_osteoporosis": [0.1, 0.3, 0.7]})
        >>> found = class_heads_table(density, said, QCT_SPINE, replicates=100)
        >>> found[(found["class"] == "all") & (found["metric"] == "accuracy")]["value"].round(3).tolist()
        [0.667, 1.0, 0.333]
    """
    names = class_names(reference)

    def chance(grid: PredictionGrid, model: str, threshold: float) -> NDArray[np.float64]:
        if lines is not None:
            found = carried_risk(grid, model=model, reference=reference, threshold=threshold, line=lines[model], on="")
        else:
            found = risk(grid, model=model, reference=reference, threshold=threshold, calibration=calibration)
        return found.probability

    rows: list[dict[str, Any]] = []
    for model, said in class_predictions.groupby("model", sort=False):
        own = predictions[predictions["model"] == model]
        by_density = _by_density(own, reference, model=str(model), chance=chance)
        rows += _model_rows(str(model), by_density, said, names=names, seed=seed, replicates=replicates)
    return frame(rows, CLASS_HEADS_COLUMNS)


def _by_density(predictions: pd.DataFrame, reference: Reference, *, model: str, chance: _Chance) -> pd.DataFrame:
    """Return the densities of one model as class predictions; sure of its class where no chance could be fitted."""
    names = class_names(reference)
    rows = validate_predictions(predictions).sort_values(["repeat", "radiograph_id"], kind="stable")
    called = who_codes(rows["prediction"], reference=reference)
    grid = prediction_grid(predictions)
    low, lowest = (chance(grid, model, threshold).ravel() for threshold in WHO_THRESHOLDS)
    chances = np.stack([1.0 - low, low - lowest, lowest], axis=1)
    chances = np.where(np.isnan(chances), np.eye(len(names))[called], chances)
    labels = np.array(names, dtype=object)
    table = rows.assign(target=labels[who_codes(rows["target"], reference=reference)], prediction=labels[called])
    return table.assign(**dict(zip(probability_columns(names), chances.T, strict=True)))


def _model_rows(
    model: str, by_density: pd.DataFrame, said: pd.DataFrame, *, names: tuple[str, ...], seed: int, replicates: int
) -> Iterator[dict[str, Any]]:
    import pandas as pd

    heads = validate_class_predictions(said, classes=names)
    both = pd.concat([by_density.assign(model=BY_DENSITY), heads.assign(model=BY_HEAD)], ignore_index=True)
    grid = class_grid(both[[*CLASS_PREDICTION_COLUMNS, "prediction", *probability_columns(names)]], classes=names)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    for source in (BY_DENSITY, BY_HEAD):
        for row in class_rows(grid, source, draws):
            yield row | {"model": model, "classes_from": source, "p": NAN}
    of_density, of_head = (class_statistics(grid, source, draws) for source in (BY_DENSITY, BY_HEAD))
    shared = {"model": model, "classes_from": DIFFERENCE, "n": len(grid.target), "patients": grid.n_patients}
    for key in (key for key in of_head if key[0] in (MACRO, ALL)):
        yield shared | {"class": key[0], "metric": key[1]} | _difference(of_head[key], of_density[key])


def _difference(head: Resampled, density: Resampled) -> dict[str, Any]:
    found = compare_paired(head, density, relative=False)
    ends = {"low": found.low, "high": found.high, "percentile_low": found.low, "percentile_high": found.high}
    return {"value": found.difference, "p": found.p, "reason": interval_reason(head.minus(density))} | ends
