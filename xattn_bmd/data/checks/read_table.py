"""Tables of text: read whole, nothing guessed, converted only where a column is declared to hold numbers."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

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
    rows = list(text_rows(path))
    if len(rows) < 2:
        raise CohortError(f"A cohort table has a header and at least one row, but {path.name} has {len(rows)} line(s).")
    header = header_names(rows[0][1], path=path)
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
    return [cell_text(value) for value in column.tolist()]


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


def text_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of every line that holds anything, header first; the table is never held whole.

    Args:
        path: as in :func:`read_text_table`.

    Raises:
        CohortError: if the file is absent, empty or not such a table.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=_separator(path, stream))
            yield from ((reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells))
    except OSError as cause:
        raise CohortError(f"The cohort table must be a readable file, but {path} is not ({cause.strerror}).") from cause
    except UnicodeDecodeError as cause:
        raise CohortError(
            f"A cohort table is a UTF-8 text file (CSV or TSV), but {path.name} is not; "
            "save it as 'CSV UTF-8' (a spreadsheet file must be exported first)."
        ) from cause
    except csv.Error as cause:
        raise CohortError(f"A cohort table is a CSV or TSV file, but {path.name} cannot be read: {cause}.") from cause


def header_names(cells: Sequence[str], *, path: Path) -> list[str]:
    """Return the names of the columns; empty text for an unnamed one.

    Raises:
        CohortError: if a name occurs twice.
    """
    header = [name.strip() for name in cells]
    if repeated := [name for name, count in Counter(header).items() if name and count > 1]:
        raise CohortError(f"Every column of {path.name} needs its own name, but {repeated} occur twice; rename them.")
    return header


def _separator(path: Path, stream: TextIO) -> str:
    """Return what separates the cells of an opened table, and go back to its start."""
    header = next((line for line in stream if line.strip()), None)
    if header is None:
        raise CohortError(f"A cohort table has a header and at least one row, but {path.name} is empty.")
    stream.seek(0)
    return "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=header.count)


def _cells(values: Iterable[str]) -> list[str | None]:
    return [cell_text(value) for value in values]


def cell_text(value: object) -> str | None:
    """Return a cell as stripped text, None where missing; a whole float loses its ``.0``."""
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


def typed_column(column: pd.Series, *, numeric: bool) -> pd.Series:
    """Return a column as float64 where it is declared numeric and every cell is a number, else as text."""
    if numeric:
        values = number_column(column)
        if np.array_equal(~np.isnan(values), present(column)):
            return pd.Series(values)
    return pd.Series(text_column(column), dtype=object)
