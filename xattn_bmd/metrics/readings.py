"""The readers' table: which class each reader gave to each item, at each of the reader's readings."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.prediction_files import read_text_table
from xattn_bmd.metrics.reading_checks import reading_problems, tidy_readings

if TYPE_CHECKING:
    import pandas as pd

MISSING = -1
"""Code of an item that was not read."""


class Session(NamedTuple):
    """One reader going through the items once."""

    reader: str
    reading: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Readings:
    """A valid readers' table as arrays.

    Attributes:
        sessions: (S,) in the order of readers and readings.
        codes: (S, N) int, place in ``classes`` of what each session gave to each item; -1 where it gave nothing.
        patients: (N,) int, patient of each item, from 0.
        classes: (K,) names.
    """

    sessions: tuple[Session, ...]
    codes: NDArray[np.int64]
    patients: NDArray[np.int64]
    classes: tuple[str, ...]

    def first_readings(self) -> list[int]:
        """Return the session of each reader's first reading."""
        return [
            place
            for place, one in enumerate(self.sessions)
            if place == 0 or self.sessions[place - 1].reader != one.reader
        ]

    def inter_pairs(self) -> list[tuple[int, int]]:
        """Return all pairs of different readers' first readings."""
        return list(combinations(self.first_readings(), 2))

    def intra_pairs(self) -> list[tuple[int, int]]:
        """Return all pairs of readings of one reader."""
        pairs = combinations(range(len(self.sessions)), 2)
        return [(a, b) for a, b in pairs if self.sessions[a].reader == self.sessions[b].reader]

    def read_in_all(self, sessions: Sequence[int]) -> NDArray[np.bool_]:
        """Return whether each item was read in all of these sessions, (N,)."""
        return np.asarray((self.codes[list(sessions)] != MISSING).all(axis=0))


def read_readings(path: Path | str | io.StringIO) -> pd.DataFrame:
    """Return the readers' table in a CSV file, as text; :func:`arranged_readings` checks it.

    Args:
        path: the file, or its text in memory.

    Raises:
        MetricError: if the file cannot be read as CSV.
    """
    return read_text_table(path, what="readers' table")


def arranged_readings(table: pd.DataFrame, *, classes: Sequence[str] | None = None, ordered: bool = False) -> Readings:
    """Return a readers' table as arrays, or say everything that is wrong with it.

    Args:
        table: one row per (item, reader, reading) with ``item_id, patient_id, reader, class`` and, where a reader read
            more than once, ``reading`` (1, 2, ...).  An item is known by patient and item together, so ``L1`` may
            stand for the first lumbar vertebra of every patient.  An empty class is an item not read.
        classes: all classes; None takes those found, sorted.
        ordered: whether the classes are in order; they must be given then.

    Raises:
        MetricError: listing all problems: missing columns, empty cells, readings that are no whole numbers, unknown
            classes, an item read twice in one reading, a single reader with a single reading, no common item.

    Example:
        >>> import pandas as pd
        >>> rows = {"item_id": ["L1", "L1"], "patient_id": "p1", "reader": ["A", "B"], "class": ["old", "fresh"]}
        >>> arranged_readings(pd.DataFrame(rows)).codes.tolist()
        [[1], [0]]
    """
    tidy = tidy_readings(table)
    names = None if classes is None else tuple(str(name).strip() for name in classes)
    problems = reading_problems(tidy, classes=names, ordered=ordered)
    if not problems:
        readings = _arranged(tidy, names)
        pairs = [*readings.inter_pairs(), *readings.intra_pairs()]
        if any(readings.read_in_all(pair).any() for pair in pairs):
            return readings
        problems = [_nothing_in_common(readings)]
    if len(problems) == 1:
        raise MetricError(problems[0])
    lines = [f"{number}. {problem}" for number, problem in enumerate(problems, start=1)]
    raise MetricError(f"The readers' table has {len(problems)} problems to mend:\n" + "\n".join(lines))


def _nothing_in_common(readings: Readings) -> str:
    sessions = ", ".join(f"{one.reader} (reading {one.reading})" for one in readings.sessions)
    return (
        f"Two readings are compared on the items that are in both, but no two of {sessions} have an item in common; "
        "check that item_id and patient_id are written alike, and that class is filled in."
    )


def _arranged(tidy: pd.DataFrame, classes: Sequence[str] | None) -> Readings:
    read = tidy[tidy["class"] != ""]
    names = tuple(sorted(read["class"].unique()) if classes is None else classes)
    sessions = sorted({Session(*one) for one in zip(tidy["reader"], tidy["reading"].astype(int), strict=True)})
    items = tidy[["patient_id", "item_id"]].drop_duplicates().sort_values(["patient_id", "item_id"])
    column = {tuple(item): place for place, item in enumerate(items.to_numpy().tolist())}
    row, code = ({name: place for place, name in enumerate(each)} for each in (sessions, names))
    codes = np.full((len(sessions), len(column)), MISSING, dtype=np.int64)
    for patient, item, reader, reading, name in read[
        ["patient_id", "item_id", "reader", "reading", "class"]
    ].itertuples(index=False):
        codes[row[Session(reader, int(reading))], column[patient, item]] = code[name]
    patients = np.unique(items["patient_id"].to_numpy(dtype=str), return_inverse=True)[1]
    return Readings(sessions=tuple(sessions), codes=codes, patients=patients.astype(np.int64), classes=names)
