import numpy as np
import pandas as pd
import pytest

from xattn_bmd.data.nhanes import answers

KINDS = (
    ("PAQ605", "PAQ610", "PAD615", 8),
    ("PAQ620", "PAQ625", "PAD630", 4),
    ("PAQ635", "PAQ640", "PAD645", 4),
    ("PAQ650", "PAQ655", "PAD660", 8),
    ("PAQ665", "PAQ670", "PAD675", 4),
)


def one(function, **codes):
    """What a question's codes mean for one person."""
    value = function(pd.DataFrame({name: [np.nan if code is None else float(code)] for name, code in codes.items()}))
    return None if pd.isna(value.iloc[0]) else value.iloc[0]


@pytest.mark.parametrize(
    ("smoked_100", "now", "expected"),
    [
        (2, None, "never"),
        (1, 1, "current"),
        (1, 2, "current"),
        (1, 3, "former"),
        (1, 7, None),
        (1, 9, None),
        (1, None, None),
        (7, None, None),
        (9, None, None),
        (9, 1, None),
        (None, None, None),
    ],
)
def test_smoking(smoked_100, now, expected):
    assert one(answers.smoking, SMQ020=smoked_100, SMQ040=now) == expected


@pytest.mark.parametrize(
    ("in_life", "often", "unit", "drinks", "expected"),
    [
        (2, None, None, None, 0.0),
        (None, 0, None, None, 0.0),
        (1, 0, None, None, 0.0),
        (None, 7, 1, 2, 14.0),
        (None, 1, 2, 1, 0.23),
        (None, 6, 2, 1, 1.38),
        (None, 1, 3, 1, 0.019),
        (None, 2, 3, 1, 0.038),
        (None, 10, 3, 1, 0.192),
        (None, 777, 1, 2, None),
        (None, 999, 1, 2, None),
        (None, 3, 7, 2, None),
        (None, 3, 9, 2, None),
        (None, 3, 1, 777, None),
        (None, 3, 1, 999, None),
        (7, None, None, None, None),
        (9, None, None, None, None),
        (None, None, None, None, None),
        (None, 1, 1, 77, 77.0),
    ],
)
def test_alcohol(in_life, often, unit, drinks, expected):
    found = one(answers.alcohol, ALQ110=in_life, ALQ120Q=often, ALQ120U=unit, ALQ130=drinks)
    assert found == (None if expected is None else pytest.approx(expected, abs=5e-4))


@pytest.mark.parametrize(("asked", "days", "minutes", "met"), KINDS)
@pytest.mark.parametrize(
    ("codes", "met_minutes"),
    [
        ((1, 3, 20), 60),
        ((2, None, None), 0),
        ((7, None, None), None),
        ((9, None, None), None),
        ((None, None, None), None),
        ((1, 77, None), None),
        ((1, 99, 30), None),
        ((1, 3, 7777), None),
        ((1, 3, 9999), None),
        ((1, 3, None), None),
    ],
)
def test_each_kind_of_activity(asked, days, minutes, met, codes, met_minutes):
    week = {name: 2 if name == kind[0] else None for kind in KINDS for name in kind[:3]}
    found = one(answers.activity, **{**week, asked: codes[0], days: codes[1], minutes: codes[2]})
    assert found == (None if met_minutes is None else met_minutes * met)


def test_the_kinds_of_activity_add_up():
    week = {name: code for kind in KINDS for name, code in zip(kind[:3], (1, 5, 30), strict=True)}
    assert one(answers.activity, **week) == 5 * 30 * (8 + 4 + 4 + 8 + 4)


@pytest.mark.parametrize(("code", "expected"), [*((code, code) for code in range(1, 6)), (7, None), (9, None)])
def test_diet(code, expected):
    assert one(answers.diet, DBQ700=code) == expected


@pytest.mark.parametrize(("code", "expected"), [(1, "male"), (2, "female"), (None, None)])
def test_sex(code, expected):
    assert one(answers.sex, RIAGENDR=code) == expected
