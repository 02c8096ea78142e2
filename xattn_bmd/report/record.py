"""The clinical record of the scored radiographs: columns of the predictions table itself, or a table beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xattn_bmd.errors import MetricError
from xattn_bmd.types import HEAD_COLUMNS, PREDICTION_COLUMNS, UNIT_COLUMN

if TYPE_CHECKING:
    import pandas as pd

_PER_ROW = {*PREDICTION_COLUMNS, *HEAD_COLUMNS, UNIT_COLUMN, "protocol", "simulated", "plan_hash"}
_MOST_CATEGORIES = 12


class OwnRecord(NamedTuple):
    """A record joined with the predictions.

    Attributes:
        table: one row per radiograph that has one, with ``radiograph_id``; None where nothing is known.
        unmatched: ids of the predictions without a row, sorted.
    """

    table: pd.DataFrame | None
    unmatched: tuple[str, ...]


def record_within(predictions: pd.DataFrame) -> OwnRecord:
    """Return the columns of a predictions table that say one thing about each radiograph.

    Args:
        predictions: a valid predictions table; columns that differ between a radiograph's rows (they describe a
            prediction, not a patient) are left out.
    """
    further = [str(name) for name in predictions.columns if name not in _PER_ROW]
    kinds = predictions.groupby("radiograph_id")[further].nunique(dropna=False) if further else None
    constant = [name for name in further if kinds is not None and (kinds[name] <= 1).all()]
    if not constant:
        return OwnRecord(None, ())
    said = predictions.drop_duplicates("radiograph_id")[["radiograph_id", *constant]]
    return OwnRecord(_who(predictions).merge(said, on="radiograph_id"), ())


def joined_record(path: str | Path, predictions: pd.DataFrame) -> OwnRecord:
    """Return the rows of a record table that belong to the predictions, in the order of the ids.

    Args:
        path: CSV file with the column ``radiograph_id`` and one row per radiograph.
        predictions: a valid predictions table.

    Raises:
        MetricError: if the file cannot be read, lacks the column, has an id twice, or matches no prediction.
    """
    table = _read(Path(path))
    ids = sorted(set(predictions["radiograph_id"]))
    further = [name for name in table.columns if name not in ("patient_id", "site")]
    found = _who(predictions).merge(table[further], on="radiograph_id")
    if found.empty:
        raise MetricError(
            f"A record is joined by radiograph_id, but none of the {len(table)} ids of {Path(path).name} "
            f"({_some(list(table['radiograph_id']))}) is among the predictions ({_some(ids)}); mend the ids."
        )
    unmatched = tuple(sorted(set(ids) - set(found["radiograph_id"])))
    return OwnRecord(found, unmatched)


def variables_of(
    record: pd.DataFrame, roles: Mapping[str, Any] | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the numeric and of the categorical variables of a record.

    Args:
        record: from :func:`joined_record` or :func:`record_within`.
        roles: roles of a run's ``cohort.json``, which decide where they are known.  Else columns of numbers are
            numeric, and columns with at most twelve different texts are categories.
    """
    from pandas.api.types import is_numeric_dtype

    declared = roles or {}
    if declared.get("numeric") or declared.get("categorical"):
        named = (tuple(declared.get("numeric") or ()), tuple(declared.get("categorical") or ()))
        numeric, categorical = (tuple(name for name in names if name in record.columns) for names in named)
        return numeric, categorical
    columns = [str(name) for name in record.columns if name not in ("radiograph_id", "patient_id", "site")]
    numbers = tuple(name for name in columns if is_numeric_dtype(record[name]))
    few = (name for name in columns if name not in numbers and 1 <= record[name].nunique() <= _MOST_CATEGORIES)
    return numbers, tuple(few)


def _who(predictions: pd.DataFrame) -> pd.DataFrame:
    rows = predictions.drop_duplicates("radiograph_id").sort_values("radiograph_id", kind="stable")
    return rows[["radiograph_id", "patient_id", "site"]].reset_index(drop=True)


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype={"radiograph_id": str, "patient_id": str, "site": str})
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as cause:
        raise MetricError(
            f"A record is a CSV file in UTF-8 with a header, but {path.name} cannot be read as one "
            f"({type(cause).__name__}); check the path and the file."
        ) from cause
    if "radiograph_id" not in table.columns:
        raise MetricError(
            f"A record has the column radiograph_id, but {path.name} has {', '.join(map(str, table.columns))}; "
            "rename the column that holds the ids."
        )
    twice = table["radiograph_id"][table["radiograph_id"].duplicated()]
    if len(twice):
        raise MetricError(
            f"A record has one row per radiograph, but {path.name} has {twice.iloc[0]} more than once; keep one."
        )
    return table


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
