import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from xattn_bmd.metrics.two_by_two import (
    AVERAGED_RATES,
    RATES,
    averaged_rates,
    confusion_terms,
    rates_from_counts,
    undefined_reasons,
)

TABLES = st.tuples(*[st.integers(0, 9)] * 4)
AVERAGES = ("positive", "macro", "weighted")


def labels(tp, fn, fp, tn):
    low = np.repeat([True, True, False, False], [tp, fn, fp, tn])
    return low, np.repeat([True, False, True, False], [tp, fn, fp, tn])


@pytest.mark.parametrize("average", AVERAGES)
@given(cells=TABLES)
@settings(deadline=None)
def test_averages_are_those_of_scikit_learn_where_it_divides_by_nothing_empty(average, cells):
    tp, fn, fp, tn = cells
    low, called = labels(*cells)
    assume(min(tp + fn, fp + tn, tp + fp, tn + fn) > 0)
    name = "binary" if average == "positive" else average
    precision, recall, f1, _ = oracle.precision_recall_fscore_support(low, called, average=name, zero_division=np.nan)
    found = averaged_rates(np.array(cells, dtype=float), average=average)
    assert [found[rate] for rate in AVERAGED_RATES] == pytest.approx([precision, recall, f1])


@pytest.mark.parametrize("average", AVERAGES)
@given(cells=TABLES)
@settings(deadline=None)
def test_what_is_nan_has_a_reason_and_what_has_a_reason_is_nan(average, cells):
    assume(sum(cells) > 0)
    counts = np.array(cells, dtype=float)
    rates = rates_from_counts(counts) | averaged_rates(counts, average=average)
    reasons = undefined_reasons(counts, average=average)
    assert {rate for rate in RATES if np.isnan(rates[rate])} == set(reasons) - {"auroc", "auprc"}


def test_source_table_is_no_average():
    # 0.831, 0.748 and 0.787 with an accuracy of 0.773 are those of one class: weighted recall would be the accuracy.
    counts = np.array([98.0, 33, 20, 82])
    rounded = {
        average: [round(float(rate), 3) for rate in averaged_rates(counts, average=average).values()]
        for average in AVERAGES
    }
    assert rounded["positive"] == [0.831, 0.748, 0.787]
    assert rounded["weighted"][1] == round(180 / 233, 3)
    low, called = labels(98, 33, 20, 82)
    for average in ("macro", "weighted"):
        expected = oracle.precision_recall_fscore_support(low, called, average=average)[:3]
        assert rounded[average] == [round(value, 3) for value in expected]


def test_a_class_that_is_never_called_is_nan_where_scikit_learn_says_0():
    counts = np.array([0.0, 3, 0, 7])
    low, called = labels(0, 3, 0, 7)
    assert oracle.precision_score(low, called, average="macro", zero_division=0) == pytest.approx(0.35)
    for average in AVERAGES:
        assert np.isnan(averaged_rates(counts, average=average)["precision"])
        assert undefined_reasons(counts, average=average)["precision"] == "no radiograph is predicted low"
    assert averaged_rates(counts, average="positive")["f1"] == 0.0 == oracle.f1_score(low, called)


def test_an_absent_class_weighs_nothing_and_leaves_no_macro_average():
    counts = np.array([0.0, 0, 2, 8])  # no radiograph is low
    low, called = labels(0, 0, 2, 8)
    weighted = averaged_rates(counts, average="weighted")
    expected = oracle.precision_recall_fscore_support(low, called, average="weighted", zero_division=0)[:3]
    assert list(weighted.values()) == pytest.approx(list(expected))
    macro = averaged_rates(counts, average="macro")
    assert np.isnan(macro["recall"]) and np.isnan(macro["f1"])
    assert macro["precision"] == pytest.approx(0.5)  # calls of the absent class are wrong calls
    reasons = undefined_reasons(counts, average="macro")
    assert reasons["recall"] == reasons["f1"] == "no radiograph is low"


def test_the_other_class_as_the_positive_one_has_its_own_words():
    reasons = undefined_reasons(np.array([0.0, 0, 2, 8]), positive="not_low")
    assert reasons["sensitivity"] == "every radiograph is low"
    assert undefined_reasons(np.array([0.0, 2, 0, 8]), positive="not_low")["ppv"] == "every radiograph is predicted low"


def test_many_tables_at_once():
    tables = np.random.default_rng(0).integers(0, 4, (50, 4)).astype(float)
    for average in AVERAGES:
        together = averaged_rates(tables, average=average)
        for name, rates in together.items():
            each = [averaged_rates(table, average=average)[name] for table in tables]
            np.testing.assert_array_equal(rates, each)


def test_terms_sum_to_the_confusion_matrix():
    rng = np.random.default_rng(0)
    low, called = rng.random((2, 50)) < 0.5
    tn, fp, fn, tp = oracle.confusion_matrix(low, called).ravel()
    assert confusion_terms(low, called).sum(axis=0).tolist() == [tp, fn, fp, tn]
