"""Internal beside external results of an external validation, and their change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from xattn_bmd.metrics.independent import independent_difference
from xattn_bmd.metrics.intervals import Interval
from xattn_bmd.metrics.tables.layout import frame
from xattn_bmd.training.prediction.class_development import ClassDevelopment
from xattn_bmd.training.prediction.development import Development, InternalValue, pooled_values

EXTERNAL = "external cohort, patient bootstrap 95 % (BCa)"
CHANGE_METHOD = "external - internal, independent samples (Zou and Donner 2008)"

DROP_COLUMNS = (
    *("model", "metric", "threshold", "average", "internal", "internal_low", "internal_high"),
    *("external", "external_low", "external_high", "change", "change_low", "change_high"),
    *("n_internal", "n_external", "method"),
)


def external_drop(
    tables: Sequence[pd.DataFrame], developments: Mapping[str, Development | ClassDevelopment]
) -> pd.DataFrame:
    """Return internal beside external, metric by metric.

    ``change`` is external minus internal.  Its interval treats the cohorts as independent samples and rests on the two
    patient-bootstrap intervals alone, see :func:`~xattn_bmd.metrics.independent.independent_difference`; there is none
    where one of the two is missing.

    Args:
        tables: external metrics, with the columns of a ``metrics.csv`` or ``screening.csv``.
        developments: what each predictor keeps of its development.

    Returns:
        One row per (model, metric, threshold, average) with :data:`DROP_COLUMNS`.
    """
    rows = [
        row
        for model, development in developments.items()
        for table in tables
        for row in _drop_rows(table[table["model"] == model], development)
    ]
    return frame(rows, DROP_COLUMNS)


def _drop_rows(table: pd.DataFrame, development: Development | ClassDevelopment) -> Iterator[dict[str, Any]]:
    internal = {_key(value): value for value in development.internal}
    for outside in pooled_values(table, method=EXTERNAL):
        if _key(outside) not in internal:
            continue
        inside = internal[_key(outside)]
        ends = [Interval(one.low, one.high) for one in (outside, inside)]
        change = independent_difference(outside.value, ends[0], inside.value, ends[1])
        yield {
            "model": table["model"].iloc[0],
            "metric": outside.metric,
            "threshold": outside.threshold,
            "average": outside.average,
            "internal": inside.value,
            "internal_low": inside.low,
            "internal_high": inside.high,
            "external": outside.value,
            "external_low": outside.low,
            "external_high": outside.high,
            "change": outside.value - inside.value,
            "change_low": change.low,
            "change_high": change.high,
            "n_internal": development.n,
            "n_external": table["n"].iloc[0],
            "method": CHANGE_METHOD,
        }


def _key(value: InternalValue) -> tuple[str, str, str]:
    return value.metric, f"{value.threshold:g}", value.average
