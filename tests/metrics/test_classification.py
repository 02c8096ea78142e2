import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import density_at, t_score, who_class
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.classification import (
    CLASS_RATES,
    MACRO,
    ONE_CLASS,
    OVERALL_RATES,
    WHO_CLASSES,
    classification,
    confusion_cells,
    rates_from_cells,
    undefined_class_rates,
    who_codes,
)

LUNAR = get_reference("lunar_femoral_neck_white_female")
CELLS = st.lists(st.integers(0, 6), min_size=9, max_size=9).filter(any)


def labels(cells):
    pairs = np.repeat(np.arange(9), np.asarray(cells, dtype=int))
    return pairs // 3, pairs % 3


def densities():
    rng = np.random.default_rng(0)
    target = rng.normal(0.82, 0.15, 400)
    return target, target + rng.normal(0, 0.08, 400)


def test_scikit_learn_agrees_through_densities():
    target, prediction = densities()
    result = classification(target, prediction, reference=LUNAR)
    true, predicted = (who_class(t_score(side, reference=LUNAR)) for side in (target, prediction))
    expected = oracle.confusion_matrix(true, predicted, labels=list(WHO_CLASSES))
    assert expected.min(axis=1).max() >= 0 and (expected.diagonal() > 0).all()
    np.testing.assert_array_equal(result.confusion, expected)
    each = oracle.precision_recall_fscore_support(true, predicted, labels=list(WHO_CLASSES))[:3]
    macro = oracle.precision_recall_fscore_support(true, predicted, average="macro")[:3]
    for rate, by_class, mean in zip(("precision", "sensitivity", "f1"), each, macro, strict=True):
        assert [result.rates[name, rate] for name in WHO_CLASSES] == pytest.approx(by_class)
        assert result.rates[MACRO, rate] == pytest.approx(mean)
    specificities = [oracle.recall_score(true != name, predicted != name) for name in WHO_CLASSES]
    assert [result.rates[name, "specificity"] for name in WHO_CLASSES] == pytest.approx(specificities)
    assert result.rates[MACRO, "specificity"] == pytest.approx(np.mean(specificities))
    assert result.rates["all", "accuracy"] == pytest.approx(oracle.accuracy_score(true, predicted))
    assert (result.n, result.reference, result.reasons) == (400, LUNAR.name, {})


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
    for code, name in enumerate(WHO_CLASSES):
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
    cells = np.array([5.0, 1, 0, 1, 3, 0, 0, 0, 0])  # no osteoporosis, and none predicted
    rates, reasons = rates_from_cells(cells), undefined_class_rates(cells)
    assert rates["osteoporosis", "specificity"] == 1.0
    for rate, reason in zip(
        ("sensitivity", "precision", "f1"),
        ("no radiograph is osteoporosis", "no radiograph is predicted osteoporosis", "no radiograph is osteoporosis"),
        strict=True,
    ):
        assert np.isnan(rates["osteoporosis", rate]) and np.isnan(rates[MACRO, rate])
        assert reasons["osteoporosis", rate] == reasons[MACRO, rate] == reason
    true, predicted = labels(cells)
    assert oracle.recall_score(true, predicted, labels=[0, 1, 2], average="macro", zero_division=0) > 0.5


def test_a_present_class_that_is_never_predicted_has_an_f1_of_0():
    rates = rates_from_cells(np.array([5.0, 1, 0, 1, 3, 0, 0, 2, 0]))
    assert rates["osteoporosis", "f1"] == 0.0 and not np.isnan(rates[MACRO, "f1"])
    assert np.isnan(rates["osteoporosis", "precision"])


def test_one_class_only_has_no_kappa():
    result = classification([1.0, 1.1, 1.2], [1.0, 1.0, 1.1], reference=LUNAR)
    assert result.rates["all", "accuracy"] == 1.0
    assert np.isnan(result.rates["all", "kappa"]) and result.reasons["all", "weighted_kappa"] == ONE_CLASS
    assert result.reasons["normal", "specificity"] == "every radiograph is normal"


def test_constant_predictions_are_worth_no_kappa():
    target, _ = densities()
    result = classification(target, np.full(400, 0.8), reference=LUNAR)
    assert result.rates["all", "kappa"] == pytest.approx(0.0, abs=1e-12)
    assert result.rates["all", "weighted_kappa"] == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(result.rates[MACRO, "precision"])


def test_edges_are_those_of_the_who_classes():
    edges = density_at([-0.9, -1.0, -1.1, -2.4, -2.5, -2.6], reference=LUNAR)
    names = [WHO_CLASSES[code] for code in who_codes(edges, reference=LUNAR)]
    assert names == who_class(t_score(edges, reference=LUNAR)).tolist()
    assert who_codes(edges, reference=LUNAR).tolist() == [0, 0, 1, 1, 2, 2]


def test_many_tables_at_once():
    tables = np.random.default_rng(0).integers(0, 5, (2, 30, 9)).astype(float)
    together = rates_from_cells(tables)
    assert len(together) == 4 * len(CLASS_RATES) + len(OVERALL_RATES)
    for key, rates in together.items():
        each = [[rates_from_cells(table)[key] for table in half] for half in tables]
        np.testing.assert_allclose(rates, each, rtol=1e-12)


def test_cells_name_the_true_class_first():
    assert np.flatnonzero(confusion_cells(np.array(2), np.array(0))).tolist() == [6]


def test_refused():
    with pytest.raises(MetricError, match=r"same shape.*\(2,\) and \(1,\)"):
        classification([0.8, 0.9], [0.8], reference=LUNAR)
    with pytest.raises(MetricError, match="finite"):
        classification([0.8, 0.9], [0.8, np.nan], reference=LUNAR)
