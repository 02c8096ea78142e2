"""A variable's values as numbers for an axis or a colour, and as text for a label."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.data.checks.read_table import number_column, text_column
from xattn_bmd.explanation.record.contributions import Contributions


class VariableValues(NamedTuple):
    """The values of one variable.

    Attributes:
        number: ``(N,)`` the value, or the position of its category; NaN where missing.
        categories: names of the categories in the order that the cohort declares; none for a numeric variable.
    """

    number: NDArray[np.float64]
    categories: tuple[str, ...]


def variable_values(contributions: Contributions, variable: str) -> VariableValues:
    """Return a variable's values in the explained radiographs.

    Args:
        contributions: of the radiographs.
        variable: one of its variables.
    """
    column = contributions.record_table[variable]
    declared = dict(contributions.schema.categorical)
    if variable not in declared:
        return VariableValues(number_column(column), ())
    place = {name: float(position) for position, name in enumerate(declared[variable])}
    number = [np.nan if text is None else place[text] for text in text_column(column)]
    return VariableValues(np.array(number), declared[variable])


def ranked(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each value's mean rank as a share from 0 to 1, so that one outlier does not take the whole colour scale.

    Example:
        >>> ranked(np.array([1.0, 1000.0, np.nan, 2.0])).tolist()
        [0.0, 1.0, nan, 0.5]
    """
    from scipy.stats import rankdata

    found = np.full(len(values), np.nan)
    known = np.isfinite(values)
    found[known] = (rankdata(values[known]) - 1.0) / max(1, known.sum() - 1)
    return found


def value_text(value: object) -> str:
    """Return a record's value for a label.

    Example:
        >>> value_text(71.64), value_text("never"), value_text(None), value_text(float("nan"))
        ('71.64', 'never', 'missing', 'missing')
    """
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "missing"
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1000 else _whole(value)


def _whole(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, float) else str(value)
