"""Which difference between two models this cohort can detect, and how many patients a model needs."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from xattn_bmd.metrics.intervals import REPLICATES, Resampled, patient_draws
from xattn_bmd.metrics.pooled import pooled_regression
from xattn_bmd.metrics.power import POWER, detectable_difference, power_at, standard_error
from xattn_bmd.metrics.predictions import prediction_grid
from xattn_bmd.metrics.regression import ERROR_METRICS
from xattn_bmd.metrics.sample_size import needed_patients
from xattn_bmd.metrics.tables.layout import NAN, frame

if TYPE_CHECKING:
    import pandas as pd

DETECTABLE_COLUMNS = (
    *("model_a", "model_b", "metric", "observed_relative", "standard_error", "detectable", "detectable_relative"),
    *("power_at", "power", "n", "patients"),
)
SAMPLE_SIZE_COLUMNS = ("criterion", "parameters", "assumed_r2", "needed", "n", "met")
SOURCE_CHANGES = {"mse": 0.167, "mae": 0.0603, "r2": 0.164}
"""Relative change that the source reports for cross-attention against concatenation (arXiv 2511.14604)."""

_NAMES = {"mse": "MSE", "mae": "MAE", "r2": "R²"}
_UNITS = {"mse": " (g/cm²)²", "mae": " g/cm²", "r2": ""}


def detectable_table(
    predictions: pd.DataFrame,
    *,
    against: str = "concat",
    relative: float | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return the smallest difference that each paired comparison detects with 80 % power (two-sided 5 %).

    The standard error is the SD of the patient-bootstrap replicates of the difference between the two models at hand,
    see :func:`xattn_bmd.metrics.power.detectable_difference`.  It says nothing about whether a difference exists, and
    takes the trained models as given: where training again would change them much, a larger one is needed.

    Args:
        predictions: a predictions table.
        against: model b of every comparison.
        relative: relative change of which the power is given, for every metric; None takes what the source reports for
            each, :data:`SOURCE_CHANGES`.
        seed: seed of the bootstrap.
        replicates: number of bootstrap replicates.

    Returns:
        One row per (model a, metric) with :data:`DETECTABLE_COLUMNS`, metrics MSE, MAE and R²: ``standard_error`` and
        ``detectable`` in the unit of the metric; relative to model b's value, ``observed_relative`` as in the table of
        comparisons, ``detectable_relative`` and ``power_at`` without sign.  Relative numbers and ``power`` are NaN
        where model b's value is not positive; all are where there is no interval or the models never differ.  Empty
        where ``against`` is not among the models.

    Raises:
        MetricError: if the table cannot be scored.
    """
    grid = prediction_grid(predictions)
    if against not in grid.predictions:
        return frame([], DETECTABLE_COLUMNS)
    draws = patient_draws(grid.n_patients, seed=seed, replicates=replicates)
    pooled = {model: pooled_regression(grid, model=model, draws=draws) for model in grid.predictions}
    shared = {"model_b": against, "n": len(grid.target), "patients": grid.n_patients}
    rows = [
        shared | {"model_a": model} | row
        for model in grid.predictions
        if model != against
        for row in _rows(pooled[model], pooled[against], relative)
    ]
    return frame(rows, DETECTABLE_COLUMNS)


def sample_size_table(
    n: int, parameters: int, assumed_r2: float, *, mean: float = 0.88, sd: float = 0.147
) -> pd.DataFrame:
    """Return whether ``n`` patients meet each criterion of :mod:`xattn_bmd.metrics.sample_size`, and all of them.

    Args:
        n: number of patients.
        parameters: number of candidate parameters of a linear model: one per numeric variable, one per category less
            one for the others.
        assumed_r2: the R² that is expected in new patients, 0.01-0.99.
        mean: mean density, g/cm²; as given, that of the femoral neck of older people on the Lunar scale.
        sd: its SD, g/cm².

    Returns:
        One row per criterion, the last being ``all``, with :data:`SAMPLE_SIZE_COLUMNS`.

    Raises:
        MetricError: if an argument is out of range.

    Example:
        >>> sample_size_table(233, 12, 0.35)[["criterion", "needed", "met"]].values.tolist()[-3:]
        [['residual_sd', 246, False], ['mean', 17, True], ['all', 246, False]]
    """
    needed = needed_patients(parameters, r2=assumed_r2, mean=mean, sd=sd)
    needed |= {"all": max(needed.values())}
    shared = {"parameters": parameters, "assumed_r2": assumed_r2, "n": n}
    rows = [shared | {"criterion": name, "needed": size, "met": n >= size} for name, size in needed.items()]
    return frame(rows, SAMPLE_SIZE_COLUMNS)


def detectable_sentence(row: Mapping[Hashable, Any]) -> str:
    """Return in words what a row of :func:`detectable_table` means.

    Args:
        row: a mapping with :data:`DETECTABLE_COLUMNS`.

    Example:
        >>> row = dict(model_a="xattn", model_b="concat", metric="mse", detectable=0.0015, detectable_relative=0.148)
        >>> row |= dict(power_at=0.167, power=0.874, n=233, patients=216)
        >>> print(detectable_sentence(row))
        With 233 radiographs of 216 patients the comparison of xattn with concat detects with 80 % power a change of MSE of at least 14.8 %; the source's 16.7 % would be found with power 0.87.
    """  # noqa: E501
    name, metric, detectable = _NAMES[row["metric"]], row["metric"], row["detectable"]
    patients = f"{_counted(row['n'], 'radiograph')} of {_counted(row['patients'], 'patient')}"
    start = f"With {patients} the comparison of {row['model_a']} with {row['model_b']}"
    if math.isnan(detectable):
        return f"{start} has no standard error of the change of {name}, so what it could detect cannot be said."
    start += f" detects with {_percent(POWER)} power a"
    if math.isnan(row["detectable_relative"]):
        return f"{start} difference in {name} of at least {detectable:.2g}{_UNITS[metric]}."
    only_worse = metric in ERROR_METRICS and row["detectable_relative"] >= 1.0
    caution = " (an increase: no decrease is that large)" if only_worse else ""
    whose = "the source's" if math.isclose(row["power_at"], SOURCE_CHANGES[metric]) else "a change of"
    return (
        f"{start} change of {name} of at least {_percent(row['detectable_relative'])}{caution}; "
        f"{whose} {_percent(row['power_at'])} would be found with power {row['power']:.2f}."
    )


def _rows(a: dict[str, Resampled], b: dict[str, Resampled], relative: float | None) -> Iterator[dict[str, Any]]:
    for metric, of_source in SOURCE_CHANGES.items():
        difference = a[metric].minus(b[metric])
        base = b[metric].value if b[metric].value > 0 else NAN
        error, change = standard_error(difference), of_source if relative is None else relative
        detectable = detectable_difference(error)
        yield {
            "metric": metric,
            "observed_relative": difference.value / base,
            "standard_error": error,
            "detectable": detectable,
            "detectable_relative": detectable / base,
            "power_at": change,
            "power": power_at(change * base, error=error),
        }


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g} %"


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
