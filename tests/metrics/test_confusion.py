from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from xattn_bmd.metrics import confusion
from xattn_bmd.metrics.confusion import (
    CLASS_RATES,
    MACRO,
    OVERALL_RATES,
    confusion_cells,
    one_against_rest_accuracy,
)

NAMES = ("none", "old", "fresh")
rates_from_cells = partial(confusion.rates_from_cells, classes=NAMES)
undefined_class_rates = partial(confusion.undefined_class_rates, classes=NAMES)
CELLS = st.lists(st.integers(0, 6), min_size=9, max_size=9).filter(any)


def labels(cells, n_classes=3):
    pairs = np.repeat(np.arange(n_classes**2), np.asarray(cells, dtype=int))
    return pairs // n_classes, pairs % n_classes


@pytest.mark.filterwarnings("ignore:.*only one label in common")
@given(cells=CELLS)
@settings(deadline=None)
def test_kappas_are_those_of_scikit_learn(cells):
    rates = rates_from_cells(np.array(cells, dtype=float))
    true, predicted = labels(cells)
    for name, weights in (("kappa", None), ("weighted_kappa", "quadratic")):
        with np.errstate(invalid="ignore"):
            expected = oracle.cohen_kappa_score(true, predicted, labels=[0, 1, 2], weights=weights)
        assert rates["all", name] == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(cells=CELLS)
@settings(deadline=None)
def test_rates_of_a_class_are_those_of_scikit_learn_or_nan(cells):
    rates = rates_from_cells(np.array(cells, dtype=float))
    true, predicted = labels(cells)
    precision, recall, f1, support = oracle.precision_recall_fscore_support(
        true, predicted, labels=[0, 1, 2], zero_division=np.nan
    )
    for code, name in enumerate(NAMES):
        assert rates[name, "precision"] == pytest.approx(precision[code], nan_ok=True)
        assert rates[name, "sensitivity"] == pytest.approx(recall[code], nan_ok=True)
        assert rates[name, "f1"] == pytest.approx(f1[code] if support[code] else np.nan, nan_ok=True)


@given(cells=CELLS)
@settings(deadline=None)
def test_what_is_nan_has_a_reason_and_what_has_a_reason_is_nan(cells):
    counts = np.array(cells, dtype=float)
    undefined = {key for key, rate in rates_from_cells(counts).items() if np.isnan(rate)}
    assert undefined == set(undefined_class_rates(counts))


def test_an_absent_class_leaves_no_macro_average_where_scikit_learn_says_0():
    cells = np.array([5.0, 1, 0, 1, 3, 0, 0, 0, 0])  # no fresh, and none predicted
    rates, reasons = rates_from_cells(cells), undefined_class_rates(cells)
    assert rates["fresh", "specificity"] == 1.0
    for rate, reason in zip(
        ("sensitivity", "precision", "f1"),
        ("no radiograph is fresh", "no radiograph is predicted fresh", "no radiograph is fresh"),
        strict=True,
    ):
        assert np.isnan(rates["fresh", rate]) and np.isnan(rates[MACRO, rate])
        assert reasons["fresh", rate] == reasons[MACRO, rate] == reason
    true, predicted = labels(cells)
    assert oracle.recall_score(true, predicted, labels=[0, 1, 2], average="macro", zero_division=0) > 0.5


def test_a_present_class_that_is_never_predicted_has_an_f1_of_0():
    rates = rates_from_cells(np.array([5.0, 1, 0, 1, 3, 0, 0, 2, 0]))
    assert rates["fresh", "f1"] == 0.0 and not np.isnan(rates[MACRO, "f1"])
    assert np.isnan(rates["fresh", "precision"])


def test_many_tables_at_once():
    tables = np.random.default_rng(0).integers(0, 5, (2, 30, 9)).astype(float)
    together = rates_from_cells(tables)
    assert len(together) == 4 * len(CLASS_RATES) + len(OVERALL_RATES)
    for key, rates in together.items():
        each = [[rates_from_cells(table)[key] for table in half] for half in tables]
        np.testing.assert_allclose(rates, each, rtol=1e-12)


def test_cells_name_the_true_class_first():
    assert np.flatnonzero(confusion_cells(np.array(2), np.array(0), n_classes=3)).tolist() == [6]


@pytest.mark.parametrize("n_classes", [2, 4, 5])
def test_any_number_of_classes(n_classes):
    names = tuple("abcde"[:n_classes])
    cells = np.random.default_rng(n_classes).integers(1, 9, n_classes**2).astype(float)
    rates = confusion.rates_from_cells(cells, classes=names)
    against_rest = one_against_rest_accuracy(cells, classes=names)
    true, predicted = labels(cells, n_classes)
    np.testing.assert_array_equal(confusion_cells(true, predicted, n_classes=n_classes).sum(axis=0), cells)
    precision, recall, f1, _ = oracle.precision_recall_fscore_support(true, predicted)
    for code, name in enumerate(names):
        expected = [recall[code], oracle.recall_score(true != code, predicted != code), precision[code], f1[code]]
        assert [rates[name, rate] for rate in CLASS_RATES] == pytest.approx(expected)
        assert against_rest[name, "accuracy"] == pytest.approx(oracle.accuracy_score(true == code, predicted == code))
    assert rates[MACRO, "f1"] == pytest.approx(oracle.f1_score(true, predicted, average="macro"))
    assert against_rest[MACRO, "accuracy"] == pytest.approx(
        1 - 2 * (1 - oracle.accuracy_score(true, predicted)) / n_classes
    )
    assert rates["all", "accuracy"] == pytest.approx(oracle.accuracy_score(true, predicted))
    assert rates["all", "weighted_kappa"] == pytest.approx(
        oracle.cohen_kappa_score(true, predicted, weights="quadratic")
    )
    assert confusion.undefined_class_rates(cells, classes=names) == {}
