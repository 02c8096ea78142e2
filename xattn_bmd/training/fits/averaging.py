"""The mean of what several networks, or one network in several views, say of the same radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class Estimates(NamedTuple):
    """What a fitted model says of ``N`` radiographs.

    Attributes:
        table: one row for each, in order: ``prediction``, then those of :data:`~xattn_bmd.types.HEAD_COLUMNS` that the
            head gives, g/cm², then the probabilities of a class head.
        attention: ``(N, V)`` how much the image patches read from each clinical variable, mean over patches and heads,
            over layers by their weight; every row sums to 1.  None for a model whose image patches do not read.
    """

    table: pd.DataFrame
    attention: NDArray[np.float64] | None = None


def mean_estimates(each: Sequence[Estimates]) -> Estimates:
    """Return the mean of several estimates.

    - prediction, quantiles and probabilities of classes: the mean; quantiles stay ascending.
    - sd: that of the even mixture of the normal distributions, ``√(mean of s² + variance of the means)``, so that it
      grows where the estimates disagree (Lakshminarayanan et al. 2017, arXiv 1612.01474).

    Args:
        each: one or more, of the same radiographs and head.

    Example:
        >>> each = [Estimates(pd.DataFrame({"prediction": [mean], "sd": [0.03]})) for mean in (0.8, 0.88)]
        >>> mean_estimates(each).table.round(3).to_dict("list")
        {'prediction': [0.84], 'sd': [0.05]}
    """
    if len(each) == 1:
        return each[0]
    columns = {name: np.stack([one.table[name].to_numpy() for one in each]) for name in each[0].table.columns}
    means = {name: values.mean(axis=0) for name, values in columns.items()}
    if "sd" in columns:
        means["sd"] = np.sqrt((columns["sd"] ** 2).mean(axis=0) + columns["prediction"].var(axis=0))
    attention = [one.attention for one in each if one.attention is not None]
    return Estimates(pd.DataFrame(means), np.mean(attention, axis=0) if attention else None)
