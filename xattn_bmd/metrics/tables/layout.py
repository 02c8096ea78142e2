"""What all result tables share: how a value was pooled, its intervals, and its columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xattn_bmd.metrics.intervals import NO_INTERVAL, Resampled, bca_interval, percentile_interval

if TYPE_CHECKING:
    import pandas as pd

POOLED = "pooled out-of-fold, patient bootstrap 95 % (BCa)"
FOLDS = "mean and SD over folds"
COUNT = "count, mean over repeats"

INTERVAL_COLUMNS = ("value", "low", "high", "percentile_low", "percentile_high")
"""A value, its BCa interval and its percentile interval."""

NAN = float("nan")


def valued(statistic: Resampled) -> dict[str, float]:
    """Return :data:`INTERVAL_COLUMNS` of a statistic; NaN where there is no interval."""
    accelerated = bca_interval(statistic)
    percentile = NO_INTERVAL if np.isnan(accelerated.low) else percentile_interval(statistic.replicates)
    return dict(zip(INTERVAL_COLUMNS, (statistic.value, *accelerated, *percentile), strict=True))


def without_interval(value: float) -> dict[str, float]:
    """Return :data:`INTERVAL_COLUMNS` of a value that has no interval."""
    return dict(zip(INTERVAL_COLUMNS, (value, NAN, NAN, NAN, NAN), strict=True))


def interval_reason(statistic: Resampled) -> str:
    """Return why a statistic has no interval; empty where it has one."""
    if len(statistic.replicates) == 0:
        return "no interval: a single patient cannot be resampled"
    if np.isnan(percentile_interval(statistic.replicates).low):
        return "no interval: too many bootstrap replicates leave the metric undefined"
    if np.isnan(bca_interval(statistic).low):
        return "no interval: the same in every bootstrap replicate"
    return ""


def frame(rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    """Return rows as a table with just these columns, in this order."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns))
