"""Reads a CSV file of predictions or readings, or says what kind of file it is instead."""

from __future__ import annotations

import io
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING

from xattn_bmd.errors import MetricError
from xattn_bmd.types import HEAD_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

_TEXT = ("radiograph_id", "patient_id", "model", "site")
_NUMBERS = ("target", "prediction", *HEAD_COLUMNS)
_WORKBOOK = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How .xlsx (a ZIP archive) and .xls files begin."""


def read_table(path: Path | str | io.StringIO) -> pd.DataFrame:
    """Return the rows of a predictions table in a file; ids stay text and numbers are read to the last digit.

    Args:
        path: a comma-separated UTF-8 file, or its text in memory.

    Raises:
        MetricError: if there is no such file, or it is a folder, a workbook, separated by other characters than
            commas, or no table at all.
    """
    return _read(path, "predictions table", dtype=dict.fromkeys(_TEXT, str), exact=_NUMBERS)


def read_text_table(path: Path | str | io.StringIO, *, what: str) -> pd.DataFrame:
    r"""Return the rows of a table of another kind in a file, every cell as its text; empty cells are empty texts.

    Args:
        path: a comma-separated UTF-8 file, or its text in memory.
        what: the kind of table, in messages.

    Raises:
        MetricError: as :func:`read_table`.

    Example:
        >>> read_text_table(io.StringIO("item_id,class\n007,"), what="readers' table").to_dict("records")
        [{'item_id': '007', 'class': ''}]
    """
    return _read(path, what, dtype=str, exact=())


def _read(
    path: Path | str | io.StringIO, what: str, *, dtype: type[str] | dict[Hashable, type[str]], exact: tuple[str, ...]
) -> pd.DataFrame:
    import pandas as pd

    name = "the given text" if isinstance(path, io.StringIO) else Path(path).name
    if not isinstance(path, io.StringIO):
        _require_text_file(Path(path), what)
    try:
        converters = dict.fromkeys(exact, _exact_number)
        table = pd.read_csv(path, dtype=dtype, converters=converters, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as cause:
        found = str(cause).strip() if isinstance(cause, pd.errors.ParserError) else type(cause).__name__
        raise MetricError(
            f"A {what} is a CSV file in UTF-8 with a header, but {name} cannot be read as one "
            f"({found}); save the table again as CSV UTF-8, separated by commas."
        ) from cause
    _require_commas(table, name, what)
    return table


def _exact_number(text: str) -> float | str:
    # The CSV reader's own number parser may be off in the last digit.
    try:
        return float(text)
    except ValueError:
        return text


def _require_text_file(path: Path, what: str) -> None:
    if path.is_dir():
        inside = path / "predictions.csv"
        fix = f"give {path.name}/predictions.csv" if inside.is_file() else "give the CSV file inside it"
        raise MetricError(f"A {what} is a CSV file, but {path.name} is a folder; {fix}.")
    if not path.is_file():
        raise MetricError(f"A {what} is a CSV file, but there is no {path}; check the path.")
    with path.open("rb") as stream:
        start = stream.read(4)
    if start in _WORKBOOK:
        raise MetricError(
            f"A {what} is a CSV file, but {path.name} is a workbook or an archive; save the sheet as "
            "CSV UTF-8 and give that file."
        )


def _require_commas(table: pd.DataFrame, name: str, what: str) -> None:
    import pandas as pd

    header = str(table.columns[0])
    if len(table.columns) == 1 and (";" in header or "\t" in header):
        found = "semicolons" if ";" in header else "tabs"
        decimals = table.astype(str).apply(lambda row: row.str.contains(r"\d,\d").any()).any()
        commas = (
            " and its numbers have decimal commas" if decimals or not isinstance(table.index, pd.RangeIndex) else ""
        )
        raise MetricError(
            f"A {what} is separated by commas and has decimal points, but {name} is separated by "
            f"{found}{commas}; save it as CSV with commas and decimal points."
        )
    if len(table.columns) > 1 and not isinstance(table.index, pd.RangeIndex):
        raise MetricError(
            f"Every row of a {what} has as many fields as its header, but the rows of {name} have more "
            f"than {len(table.columns)}; write decimal points instead of decimal commas, and quote texts with commas."
        )
