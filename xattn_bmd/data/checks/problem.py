"""One fault of a cohort, and the words in which radiographs are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from xattn_bmd.data.checks.read_table import text_column

SHOWN = 5


@dataclass(frozen=True)
class Problem:
    """One fault of a cohort.

    Attributes:
        kind: short name, the same for every fault of this kind.
        message: one sentence: the rule, what was found, the fix.
        radiographs: every radiograph concerned, by the ids of the user's own table.
        severity: ``"error"`` must be mended; ``"warning"`` may stay.
    """

    kind: str
    message: str
    radiographs: tuple[str, ...] = ()
    severity: Literal["error", "warning"] = "error"


def row_names(table: pd.DataFrame, *, column: str) -> list[str]:
    """Return how messages call each row: its radiograph id, or its row number from 1 where it has none."""
    if column not in table.columns:
        return [f"row {row}" for row in range(1, len(table) + 1)]
    return [name or f"row {row}" for row, name in enumerate(text_column(table[column]), start=1)]


def listed(items: Sequence[str]) -> str:
    """Return the first few items and how many more there are.

    Example:
        >>> listed(["a", "b", "c", "d", "e", "f", "g"])
        'a, b, c, d, e and 2 more'
    """
    shown = ", ".join(items[:SHOWN])
    return shown if len(items) <= SHOWN else f"{shown} and {len(items) - SHOWN} more"
