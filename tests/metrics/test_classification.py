import numpy as np
import pytest
from sklearn import metrics as oracle

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import density_at, t_score, who_class
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.classification import WHO_CLASSES, classification, who_codes
from xattn_bmd.metrics.confusion import MACRO, ONE_CLASS

LUNAR = get_reference("lunar_femoral_neck_white_female")


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


def test_refused():
    with pytest.raises(MetricError, match=r"same shape.*\(2,\) and \(1,\)"):
        classification([0.8, 0.9], [0.8], reference=LUNAR)
    with pytest.raises(MetricError, match="finite"):
        classification([0.8, 0.9], [0.8, np.nan], reference=LUNAR)
