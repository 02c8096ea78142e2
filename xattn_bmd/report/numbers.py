"""How numbers are written: the same digits everywhere, a dash where there is no number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from xattn_bmd.report.page import Cell

UNDEFINED = "–"
"""Stands for a number that does not exist; a note below the table says why."""

MINUS, _NO_BREAK = "\u2212", "\u00a0"


def number(value: float | None, *, digits: int = 3) -> str:
    """Return a number with fixed digits; a dash for NaN, infinity or None.

    Example:
        >>> number(0.12345), number(float("nan"))
        ('0.123', '–')
    """
    if value is None or not math.isfinite(value):
        return UNDEFINED
    text = f"{value:,.{digits}f}"
    return signed_zero_free(text).replace("-", MINUS)


def signed_zero_free(text: str) -> str:
    """Return the text of a number without the sign of a rounded zero."""
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text


def count(value: float | None) -> str:
    """Return a count; one digit where a mean over repeats is no whole number."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    return f"{value:,.0f}" if abs(value - round(value)) < 1e-9 else f"{value:,.1f}"


def percent(value: float | None, *, digits: int = 1, sign: bool = False) -> str:
    r"""Return a share as a percentage, which no line break tears apart.

    Example:
        >>> [percent(value, sign=True).replace("\u00a0", " ") for value in (0.167, -0.167)]
        ['+16.7 %', '−16.7 %']
    """
    if value is None or not math.isfinite(value):
        return UNDEFINED
    text = number(100.0 * value, digits=digits)
    return f"{'+' if sign and value > 0 else ''}{text}{_NO_BREAK}%"


def p_value(value: float | None) -> str:
    """Return a p-value with three digits, or that it is smaller."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    return "< 0.001" if value < 0.001 else number(value, digits=3)


def span(low: float | None, high: float | None, *, digits: int = 3, as_percent: bool = False) -> str:
    """Return an interval in brackets; empty where it does not exist."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    if as_percent:
        return f"[{percent(low, sign=True)}, {percent(high, sign=True)}]"
    return f"[{number(low, digits=digits)}, {number(high, digits=digits)}]"


def estimate(row: Mapping[Any, Any], *, digits: int = 3) -> Cell:
    """Return the cell of a row with ``value``, ``low`` and ``high``."""
    return Cell(number(row["value"], digits=digits), span(row["low"], row["high"], digits=digits))


def in_words(cell: Cell) -> str:
    """Return a value and its interval in one line."""
    return f"{cell.text} {cell.detail}".strip()
