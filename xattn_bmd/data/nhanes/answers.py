"""What the codes of NHANES mean, as its codebooks say; refused (7, 77, ...) and don't know (9, 99, ...) are missing."""

from __future__ import annotations

import pandas as pd

WEEKS_PER_YEAR = 365.25 / 7

_SCANNED, _VALID = 1, 0
_YES, _NO = 1, 2
_SEX = {1: "male", 2: "female"}
_DIET = (1, 2, 3, 4, 5)
_EVERY_DAY, _SOME_DAYS, _NOT_AT_ALL = 1, 2, 3
_DAYS_A_WEEK = {1: 1.0, 2: 12 / WEEKS_PER_YEAR, 3: 1 / WEEKS_PER_YEAR}
ACTIVITIES = (
    ("PAQ605", "PAQ610", "PAD615", 8.0),
    ("PAQ620", "PAQ625", "PAD630", 4.0),
    ("PAQ635", "PAQ640", "PAD645", 4.0),
    ("PAQ650", "PAQ655", "PAD660", 8.0),
    ("PAQ665", "PAQ670", "PAD675", 4.0),
)
"""Asked whether, days a week, minutes a day, and the codebook's metabolic equivalent (MET): vigorous and moderate work,
walking or cycling to places, vigorous and moderate recreation."""


def sex(answers: pd.DataFrame) -> pd.Series:
    """Return ``(N,)`` ``"female"`` or ``"male"``."""
    return answers["RIAGENDR"].map(_SEX).astype(object)


def neck_density(answers: pd.DataFrame) -> pd.Series:
    """Return ``(N,)`` femoral-neck densities, g/cm² on the Hologic scale, of scans that are complete and valid."""
    valid = (answers["DXAFMRST"] == _SCANNED) & (answers["DXXFMBCC"] == _VALID)
    return answers["DXXNKBMD"].where(valid)


def smoking(answers: pd.DataFrame) -> pd.Series:
    """Return ``(N,)`` ``"never"`` (fewer than 100 cigarettes in life), ``"former"`` or ``"current"``.

    Example:
        >>> smoking(pd.DataFrame({"SMQ020": [2, 1, 1], "SMQ040": [None, 3, 2]})).tolist()
        ['never', 'former', 'current']
    """
    now = answers["SMQ040"].map({_EVERY_DAY: "current", _SOME_DAYS: "current", _NOT_AT_ALL: "former"}).astype(object)
    return now.where(answers["SMQ020"] == _YES).mask(answers["SMQ020"] == _NO, "never")


def alcohol(answers: pd.DataFrame) -> pd.Series:
    """Return ``(N,)`` drinks per week over the last 12 months: drinking days per week times drinks on such a day.

    It is 0 for people with no drink in these months, or with fewer than 12 drinks in their life.

    Example:
        >>> asked = {"ALQ110": [None, 2, None], "ALQ120Q": [3, None, 0], "ALQ120U": [1, None, None]}
        >>> alcohol(pd.DataFrame({**asked, "ALQ130": [2, None, None]})).tolist()
        [6.0, 0.0, 0.0]
    """
    days = _known(answers["ALQ120Q"], 777, 999) * answers["ALQ120U"].map(_DAYS_A_WEEK)
    drinks = (days * _known(answers["ALQ130"], 777, 999)).round(3)
    return drinks.mask((answers["ALQ110"] == _NO) | (answers["ALQ120Q"] == 0), 0.0)


def activity(answers: pd.DataFrame) -> pd.Series:
    """Return ``(N,)`` MET-minutes per week of work, travel and recreation together.

    Missing where any of the five kinds is: a sum without one would be too low.

    Example:
        >>> asked = {name: [2.0] for kind in ACTIVITIES for name in kind[:3]}
        >>> walks = {"PAQ635": [1.0], "PAQ640": [5.0], "PAD645": [30.0]}
        >>> activity(pd.DataFrame({**asked, **walks})).tolist()
        [600.0]
    """
    kinds = [_one_activity(answers, *kind) for kind in ACTIVITIES]
    return pd.concat(kinds, axis=1).sum(axis=1, skipna=False)


def diet(answers: pd.DataFrame) -> pd.Series:
    """Return ``(N,)`` how healthy people find their diet: 1 excellent, 2 very good, 3 good, 4 fair, 5 poor."""
    return answers["DBQ700"].where(answers["DBQ700"].isin(_DIET))


def _one_activity(answers: pd.DataFrame, asked: str, days: str, minutes: str, met: float) -> pd.Series:
    spent = _known(answers[days], 77, 99) * _known(answers[minutes], 7777, 9999) * met
    return spent.where(answers[asked] == _YES).mask(answers[asked] == _NO, 0.0)


def _known(values: pd.Series, refused: int, unknown: int) -> pd.Series:
    return values.astype(float).mask(values.isin((refused, unknown)))
