"""What makes a readers' table impossible to compare; all problems are listed together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xattn_bmd.errors import MetricError

if TYPE_CHECKING:
    import pandas as pd

READINGS_COLUMNS = ("item_id", "patient_id", "reader", "class")
"""Columns of a readers' table; ``reading`` may be added, and is 1 where it is not."""

_KEY = ["patient_id", "item_id", "reader", "reading"]


def tidy_readings(table: pd.DataFrame) -> pd.DataFrame:
    """Return the five columns of a readers' table as text without blanks at the ends; an empty cell is "".

    Raises:
        MetricError: if a column is missing or there twice, or there is no row.

    Example:
        >>> import pandas as pd
        >>> row = {"item_id": 7, "patient_id": "p", "reader": " A", "class": None}
        >>> tidy_readings(pd.DataFrame([row])).to_dict("records")
        [{'item_id': '7', 'patient_id': 'p', 'reader': 'A', 'class': '', 'reading': '1'}]
    """
    import pandas as pd

    missing = [name for name in READINGS_COLUMNS if name not in table.columns]
    if missing:
        raise MetricError(
            f"A readers' table has the columns {', '.join(READINGS_COLUMNS)} and may have reading, but "
            f"{', '.join(missing)} is missing; rename or add it (found: {', '.join(map(str, table.columns))})."
        )
    if table.empty:
        raise MetricError("A readers' table has a row per item, reader and reading, but it is empty; fill it.")
    columns = [*READINGS_COLUMNS, *(["reading"] if "reading" in table.columns else [])]
    twice = [name for name in columns if list(table.columns).count(name) > 1]
    if twice:
        raise MetricError(
            f"Every column of a readers' table has its own name, but {twice[0]} is there twice; keep one."
        )
    found = table[columns].reset_index(drop=True)
    text = pd.DataFrame(
        {
            name: ["" if gap else _text(value) for value, gap in zip(found[name], found[name].isna(), strict=True)]
            for name in columns
        }
    )
    return text.assign(reading=text["reading"].map(_plain_number) if "reading" in columns else "1")


def reading_problems(tidy: pd.DataFrame, *, classes: Sequence[str] | None, ordered: bool) -> list[str]:
    """Return every problem of a table from :func:`tidy_readings`, one sentence each.

    Args:
        tidy: the table.
        classes: all classes; None takes those found.
        ordered: whether the classes are in order.
    """
    return [
        *_class_list_problems(classes, ordered=ordered),
        *_empty_cells(tidy),
        *_unnumbered_readings(tidy),
        *_unknown_classes(tidy, classes),
        *_read_twice(tidy),
        *_single_session(tidy),
    ]


def _text(value: object) -> str:
    # A column of numbers with gaps has 7 as 7.0.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _plain_number(text: str) -> str:
    # 1 and 01 are one reading.
    return str(int(text)) if text.isdecimal() else text


def _class_list_problems(classes: Sequence[str] | None, *, ordered: bool) -> Iterator[str]:
    if classes is None and ordered:
        yield (
            "Classes in order are given from the lowest to the highest, but only their names in the table are known, "
            "which say nothing about the order; give classes."
        )
    if classes is not None and (len(classes) < 2 or len(set(classes)) < len(classes) or "" in classes):
        yield (
            f"The classes are at least two different names, none of them empty, but {', '.join(classes) or 'none'} was "
            "given; name each once."
        )


def _empty_cells(tidy: pd.DataFrame) -> Iterator[str]:
    for name in ("item_id", "patient_id", "reader", "reading"):
        empty = (tidy[name] == "").to_numpy()
        if empty.any():
            yield f"Every row has {_a(name)}, but {int(empty.sum())} have none, the first is {_row(empty)}; fill it in."


def _unnumbered_readings(tidy: pd.DataFrame) -> Iterator[str]:
    bad = ~tidy["reading"].str.fullmatch(r"\d*").to_numpy(dtype=bool)
    if bad.any():
        yield (
            f"A reader's readings are numbered 1, 2 and so on, but {int(bad.sum())} rows have another reading, the "
            f"first is {tidy['reading'][bad].iloc[0]!r} in {_row(bad)}; number them."
        )


def _unknown_classes(tidy: pd.DataFrame, classes: Sequence[str] | None) -> Iterator[str]:
    names = tidy["class"]
    if classes is not None:
        bad = ((names != "") & ~names.isin(list(classes))).to_numpy()
        if bad.any():
            yield (
                f"Every class is one of {', '.join(classes)}, but {int(bad.sum())} rows have "
                f"{', '.join(sorted(names[bad].unique()))}, the first is {_row(bad)}; mend it, or name it among the "
                "classes."
            )
        return
    used = names[names != ""].unique()
    for plain in dict.fromkeys(name.casefold() for name in used):
        spellings = [name for name in used if name.casefold() == plain]
        if len(spellings) > 1:
            yield (
                f"A class is written in one way, but {' and '.join(sorted(spellings))} differ only in capital "
                "letters; write them alike."
            )


def _read_twice(tidy: pd.DataFrame) -> Iterator[str]:
    again = tidy.duplicated(_KEY).to_numpy()
    if again.any():
        first = tidy[again].iloc[0]
        yield (
            f"A reader reads an item once per reading, but {int(again.sum())} rows are too many, the first is "
            f"{_row(again)}: item {first['item_id']} of patient {first['patient_id']}, reader {first['reader']}, "
            f"reading {first['reading']}; keep one, or number the readings."
        )


def _single_session(tidy: pd.DataFrame) -> Iterator[str]:
    if len(tidy[["reader", "reading"]].drop_duplicates()) == 1:
        yield (
            "Agreement needs two readers, or two readings of one, but the table has one reader "
            f"({tidy['reader'].iloc[0] or 'without a name'}) and one reading; add the other readings."
        )


def _a(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _row(rows: np.ndarray) -> str:
    return f"row {int(np.flatnonzero(rows)[0]) + 1}"
