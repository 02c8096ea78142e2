"""One SAS transport (XPT, version 5) file of NHANES."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xattn_bmd.errors import CohortError

PERSON = "SEQN"
"""The respondent's number: unique over all cycles, in every file."""

_CARD = 80
_ROWS_FOLLOW = b"HEADER RECORD*******OBS     HEADER RECORD!!!!!!!"
_NOUGHT = 1e-70
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, OSError, StopIteration, struct.error)


def read_xport(path: Path, *, variables: Sequence[str]) -> pd.DataFrame:
    """Return variables of one file, one row a person.

    Args:
        path: an XPT file with one row for each ``SEQN``.
        variables: names of numeric variables.

    Returns:
        ``(N, len(variables))`` float64, NaN where missing, indexed by ``SEQN`` as whole numbers.

    Raises:
        CohortError: if the file cannot be read, is damaged or cut short, or lacks a variable.
    """
    numbers = _whole_table(path).select_dtypes("number")
    if absent := [name for name in (PERSON, *variables) if name not in numbers.columns]:
        raise CohortError(
            f"{path.name} must have the numeric variables {', '.join((PERSON, *variables))}, but has no "
            f"{', '.join(absent)}; download the file of that name again."
        )
    values = numbers[[PERSON, *variables]]
    values = values.mask(values.abs() < _NOUGHT, 0.0)  # pandas reads the format's zero as 5.4e-79
    persons = values.pop(PERSON)
    if not _are_persons(persons):
        raise _damaged(path, f"{PERSON} is not a different whole number in every row")
    return values.set_axis(persons.astype(np.int64), axis="index")


def _whole_table(path: Path) -> pd.DataFrame:
    """Read all rows, or refuse: the format has no row count, so a cut file shows only in what follows its last row."""
    try:
        content = path.read_bytes()
    except OSError as cause:
        raise CohortError(f"{path.name} must be a readable file, but is not ({cause.strerror}); mend it.") from cause
    if len(content) % _CARD:
        raise _damaged(path, f"{len(content)} bytes are not a multiple of {_CARD}")
    try:
        with pd.read_sas(io.BytesIO(content), format="xport", iterator=True) as reader:
            width = sum(field["field_length"] for field in reader.fields)  # type: ignore[attr-defined]
            table = reader.read()
        after = content[content.index(_ROWS_FOLLOW) + _CARD + len(table) * width :]
    except _UNREADABLE as cause:
        raise _damaged(path, str(cause) or "it has no rows") from cause
    if after.strip(b" "):
        raise _damaged(path, "its last row is not whole")
    return table


def _are_persons(numbers: pd.Series) -> bool:
    return bool(numbers.is_unique and (numbers > 0).all() and (numbers % 1 == 0).all())


def _damaged(path: Path, reason: str) -> CohortError:
    return CohortError(
        f"{path.name} must be a whole SAS transport (XPT) file, but cannot be read ({reason.rstrip('.')}); "
        "download it again."
    )
