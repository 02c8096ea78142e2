"""Sentences, numbers and checklists: no more certain than the tables."""

import math

import pandas as pd
import pytest

from xattn_bmd.report.checklist import CLAIM, TRIPOD_AI
from xattn_bmd.report.numbers import UNDEFINED, count, number, p_value, percent, span
from xattn_bmd.report.page import Cell
from xattn_bmd.report.sections.grid import missing_notes
from xattn_bmd.report.sections.key import compared
from xattn_bmd.report.words import RADIOGRAPHS, VOLUME, Words

NAN = float("nan")


def comparison(relative, low, high, p=0.04, corrected=0.03):
    row = {"model_a": "xattn", "metric": "mse", "test": "paired_patient_bootstrap", "difference": relative / 100}
    ends = {"low": low / 100, "high": high / 100, "relative": relative, "relative_low": low, "relative_high": high}
    tested = row | ends | {"p": p}
    return pd.DataFrame([tested, tested | {"test": "corrected_resampled_t", "p": corrected}])


def detectable(share):
    return pd.DataFrame([{"model_a": "xattn", "metric": "mse", "detectable_relative": share}])


def sentence(*relative, share=0.2, **more):
    return compared(comparison(*relative, **more), detectable(share), model="xattn", than="concat").replace(
        "\u00a0", " "
    )


def test_an_interval_over_zero_shows_nothing_and_says_what_could_have_been_shown():
    text = sentence(-0.05, -0.15, 0.06, p=0.4)
    assert text.startswith("The data do not show that xattn has smaller errors than concat")
    assert "5.0 % smaller (relative change [−15.0 %, +6.0 %], p = 0.400)" in text
    assert text.endswith("a true difference of 20.0 % would have been found with 80 % power.")


def test_only_an_interval_beside_zero_shows_a_difference():
    assert sentence(-0.2, -0.3, -0.1, p=0.0005).startswith("xattn has smaller errors than concat")
    assert "p < 0.001" in sentence(-0.2, -0.3, -0.1, p=0.0005)
    assert sentence(0.2, 0.1, 0.3).startswith("xattn has larger errors than concat")
    assert sentence(0.2, 0.1, 0.3).endswith("corrected resampled t over the folds, p = 0.030.")


def test_a_difference_of_trained_models_is_no_difference_of_methods():
    text = sentence(-0.2, -0.3, -0.1, corrected=0.2)
    assert text.startswith("On these patients the trained models of xattn have smaller errors than concat")
    assert "is not shown (corrected resampled t over the folds, p = 0.200)" in text
    assert sentence(-0.2, -0.3, -0.1, corrected=NAN).startswith("These trained models of xattn have smaller errors")


def test_without_numbers_nothing_is_claimed():
    assert "cannot be said" in sentence(NAN, NAN, NAN)
    assert sentence(-0.2, NAN, NAN, share=NAN).startswith("The data do not show")
    assert "no interval" in sentence(-0.2, NAN, NAN)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (number(NAN), UNDEFINED),
        (number(None), UNDEFINED),
        (number(math.inf), UNDEFINED),
        (number(-0.0001), "0.000"),
        (number(-1.5), "−1.500"),
        (number(1234.5, digits=1), "1,234.5"),
        (count(12.0), "12"),
        (count(12.5), "12.5"),
        (count(NAN), UNDEFINED),
        (percent(NAN), UNDEFINED),
        (percent(0.0, sign=True), "0.0\u00a0%"),
        (p_value(0.0004), "< 0.001"),
        (p_value(0.05), "0.050"),
        (p_value(NAN), UNDEFINED),
        (span(0.1, NAN), ""),
        (span(-0.1, 0.1), "[−0.100, 0.100]"),
    ],
)
def test_numbers_as_text(made, expected):
    assert made == expected


def test_small_metrics_have_more_digits():
    row = {"value": 0.012345, "low": 0.01, "high": NAN}
    assert RADIOGRAPHS.estimate(row | {"metric": "mse"}) == Cell("0.01235", "")
    assert RADIOGRAPHS.estimate(row | {"metric": "mae"}) == Cell("0.012", "")


def test_notes_name_the_models_that_lack_a_value():
    table = pd.DataFrame({"model": ["a", "b"], "metric": "ppv", "reason": ["", "nobody is called"]})
    assert missing_notes(table, words=RADIOGRAPHS) == ("PPV (precision) of b: nobody is called.",)
    assert missing_notes(table.assign(reason="gone"), words=RADIOGRAPHS) == ("PPV (precision): gone.",)
    volumes = missing_notes(table.assign(reason="no radiograph is low"), words=Words(image=VOLUME))
    assert volumes == ("PPV (precision): no CT volume is low.",)
    assert missing_notes(table.assign(reason=""), words=RADIOGRAPHS) == ()


def test_all_items_of_tripod_ai_are_listed_once():
    numbers = [item.number for item in TRIPOD_AI]
    assert len(set(numbers)) == len(numbers)
    assert sorted({int(name.rstrip("abcdefg")) for name in numbers}) == list(range(1, 28))
    assert len({item.number for item in CLAIM}) == len(CLAIM)
    assert all(1 <= int(item.number) <= 42 for item in CLAIM)
