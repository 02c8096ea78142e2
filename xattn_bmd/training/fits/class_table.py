"""What a model says of classes, as columns: the likeliest class, and the probability of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.metrics.class_checks import probability_columns


def probability_table(probabilities: NDArray[np.float64], classes: Sequence[str]) -> pd.DataFrame:
    """Return ``probability_CLASS`` of each class.

    Args:
        probabilities: ``(N, K)``.
        classes: ``K`` names.
    """
    return pd.DataFrame(probabilities, columns=probability_columns(classes))


def with_likeliest(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return a table of probabilities with the class of the highest first, of several as high the first.

    Example:
        >>> names = ("old", "fresh")
        >>> with_likeliest(probability_table(np.array([[0.2, 0.8]]), names), names).to_dict("list")
        {'prediction': ['fresh'], 'probability_old': [0.2], 'probability_fresh': [0.8]}
    """
    likeliest = table[probability_columns(classes)].to_numpy().argmax(axis=1)
    table = table.copy()
    table.insert(0, "prediction", np.array(classes, dtype=object)[likeliest])
    return table
