"""Tables of text: read whole, nothing guessed, converted only where a column is declared to hold numbers."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xattn_bmd.errors import CohortError

MISSING_MARKS = frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "<NA>", "#N/A", "NaT"})
"""Cells that count as missing.  ``None`` and ``none`` do not: ``none`` is a category of many questionnaires."""


def read_text_table(path: Path) -> pd.DataFrame:
    """Read a comma, semicolon or tab separated file as text, cell by cell.

    Nothing is converted (``007`` stays ``007``), rows that are shorter or longer than the header are refused instead
    of being padded, and unnamed columns (row numbers of other programs) are dropped.

    Args:
        path: UTF-8 file, with or without byte order mark; ``.tsv`` is tab separated, else the header decides.

    Returns:
        One row a line in file order; ``None`` where a cell is missing.

    Raises:
        CohortError: if the file is absent, not such a table, or has no rows.
    """
    rows = _rows(path)
    if len(rows) < 2:
        raise CohortError(f"A cohort table has a header and at least one row, but {path.name} has {len(rows)} line(s).")
    header = [name.strip() for name in rows[0][1]]
    repeated = [name for name, count in Counter(header).items() if name and count > 1]
    if repeated:
        raise CohortError(f"Every column of {path.name} needs its own name, but {repeated} occur twice; rename them.")
    ragged = [line for line, cells in rows[1:] if len(cells) != len(header)]
    if ragged:
        raise CohortError(
            f"Every line of {path.name} must have the {len(header)} cells of its header, but line(s) {ragged[:5]} "
            "do not; the file may be cut short, or a cell with the separator in it needs quotation marks."
        )
    columns = {name: _cells(cells[position] for _, cells in rows[1:]) for position, name in enumerate(header) if name}
    return pd.DataFrame(columns, dtype=object)


def text_column(column: pd.Series) -> list[str | None]:
    """Return a column as stripped text, None where missing; whole floats lose their ``.0``.

    Example:
        >>> text_column(pd.Series(["a ", None, 2.0], dtype=object))
        ['a', None, '2']
    """
    return [_text(value) for value in column.tolist()]


def number_column(column: pd.Series) -> NDArray[np.float64]:
    """Return a column as ``(N,)`` float64; NaN where a cell is missing **or not a finite number**.

    Example:
        >>> number_column(pd.Series(["0.8", "high", None], dtype=object))
        array([0.8, nan, nan])
    """
    values = np.array([_number(text) for text in text_column(column)], dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def present(column: pd.Series) -> NDArray[np.bool_]:
    """Return ``(N,)`` bool, True where a cell holds anything."""
    return np.array([text is not None for text in text_column(column)], dtype=np.bool_)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as cause:
        raise CohortError(f"The cohort table must be a readable file, but {path} is not ({cause.strerror}).") from cause
    except UnicodeDecodeError as cause:
        raise CohortError(
            f"A cohort table is a UTF-8 text file (CSV or TSV), but {path.name} is not; "
            "save it as 'CSV UTF-8' (a spreadsheet file must be exported first)."
        ) from cause
    if not text.strip():
        raise CohortError(f"A cohort table has a header and at least one row, but {path.name} is empty.")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(path, text))
    try:
        return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as cause:
        raise CohortError(f"A cohort table is a CSV or TSV file, but {path.name} cannot be read: {cause}.") from cause


def _separator(path: Path, text: str) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    header = text.lstrip().splitlines()[0]
    return max(",;\t", key=header.count)


def _cells(values: Iterable[str]) -> list[str | None]:
    return [_text(value) for value in values]


def _text(value: object) -> str | None:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return None if text in MISSING_MARKS else text


def _number(text: str | None) -> float:
    try:
        return float("nan") if text is None or "_" in text else float(text)
    except ValueError:
        return float("nan")
