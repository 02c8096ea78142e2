"""What makes class predictions impossible to score: unknown classes, probabilities that are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.confusion import ALL, MACRO

if TYPE_CHECKING:
    import pandas as pd

PREFIX = "probability_"
"""What the column of a class's probability begins with."""

ROUNDING = 0.02
"""How far the probabilities of a row may be from 1 in all: they may have been written with two decimals."""


def probability_columns(classes: Sequence[str]) -> list[str]:
    """Return the columns of the classes' probabilities.

    Example:
        >>> probability_columns(("old", "fresh"))
        ['probability_old', 'probability_fresh']
    """
    return [f"{PREFIX}{name}" for name in classes]


def named_classes(table: pd.DataFrame, classes: Sequence[str] | None) -> tuple[str, ...]:
    """Return all classes in their order: those given, or those of the probability columns.

    Args:
        table: a table of class predictions.
        classes: all classes in their order, or None.

    Raises:
        MetricError: if there are fewer than two, one is named twice or like an average, or the columns have others.

    Example:
        >>> import pandas as pd
        >>> named_classes(pd.DataFrame(columns=["target", "probability_old", "probability_fresh"]), None)
        ('old', 'fresh')
    """
    found = [str(name).removeprefix(PREFIX) for name in table.columns if str(name).startswith(PREFIX)]
    names = tuple(found if classes is None else map(str, classes))
    if len(names) < 2 or len(set(names)) < len(names) or {"", MACRO, ALL} & set(names):
        raise MetricError(
            f"Class predictions have a column {PREFIX}CLASS for each of at least two classes, none called {MACRO} or "
            f"{ALL} and none twice, but {', '.join(names) or 'no class'} was found; add or rename them."
        )
    if sorted(found) != sorted(names):
        raise MetricError(
            f"Every class has a column {PREFIX}CLASS and every such column a class, but the classes are "
            f"{', '.join(names)} and the columns {', '.join(probability_columns(found)) or 'none'}; make them alike."
        )
    return names


def require_known_classes(table: pd.DataFrame, side: str, classes: Sequence[str]) -> None:
    """Refuse a target or prediction that is none of the classes."""
    bad = ~table[side].isin(list(classes))
    if bad.any():
        raise MetricError(
            f"Every {side} is one of {', '.join(classes)}, but {int(bad.sum())} of {len(table)} are not, the first is "
            f"{table.loc[bad, side].iloc[0]!r} {_row(table, bad.to_numpy())}; mend it, or add its class."
        )


def require_probabilities(table: pd.DataFrame, classes: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return the columns of probabilities as numbers, or refuse them.

    Raises:
        MetricError: if one is not in 0-1, or those of a row do not add up to 1.
    """
    columns = probability_columns(classes)
    values = {name: np.array([_number(cell) for cell in table[name]]) for name in columns}
    for name, numbers in values.items():
        bad = ~((numbers >= 0) & (numbers <= 1))
        if bad.any():
            percent = "; divide percentages by 100" if (numbers > 1).any() else ""
            raise MetricError(
                f"Every {name} is a number in 0-1, but {int(bad.sum())} of {len(table)} are not, the first is "
                f"{table.loc[bad, name].iloc[0]!r} {_row(table, bad)}{percent}; mend it, or leave the radiograph out "
                "for all models."
            )
    total = np.sum(list(values.values()), axis=0)
    off = np.abs(total - 1.0) > ROUNDING
    if off.any():
        raise MetricError(
            f"The probabilities of all classes add up to 1, but {int(off.sum())} of {len(table)} rows do not, the "
            f"first adds up to {total[off][0]:.3g} {_row(table, off)}; give probabilities of classes that exclude "
            "each other."
        )
    return values


def _number(cell: object) -> float:
    try:
        return float(str(cell))
    except ValueError:
        return float("nan")


def _row(table: pd.DataFrame, rows: NDArray[np.bool_]) -> str:
    first = table[rows].iloc[0]
    return f"for radiograph {first['radiograph_id']} and model {first['model']} (row {int(rows.argmax()) + 1})"
