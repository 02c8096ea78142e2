import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from xattn_bmd.bone.reference import get_reference
from xattn_bmd.bone.tscore import density_at
from xattn_bmd.errors import ConfigError, MetricError
from xattn_bmd.metrics.screening import SCREENING_METRICS, screening, screening_from_counts

LUNAR = get_reference("lunar_femoral_neck_white_female")


def vectors(*, tp, fn, fp, tn):
    target = np.repeat([0.8, 0.8, 1.0, 1.0], [tp, fn, fp, tn])
    return target, np.repeat([0.85, 0.95, 0.85, 0.95], [tp, fn, fp, tn])


def test_source_table_through_counts_and_through_densities():
    target, prediction = vectors(tp=98, fn=33, fp=20, tn=82)
    assert len(target) == 233
    for result in (
        screening_from_counts(tp=98, fn=33, fp=20, tn=82),
        screening(target, prediction, reference=LUNAR, threshold=-1.0),
    ):
        assert (result.tp, result.fn, result.fp, result.tn, result.n) == (98, 33, 20, 82, 233)
        values = (result.accuracy, result.precision, result.recall, result.f1, result.specificity, result.prevalence)
        assert [round(value, 3) for value in values] == [0.773, 0.831, 0.748, 0.787, 0.804, 0.562]
        assert result.sensitivity == result.recall
    assert result.reference == "lunar_femoral_neck_white_female"
    assert result.positive == "low density: T < -1 (density < 0.899 g/cm²)"


@pytest.mark.parametrize("threshold", [-1.0, -2.5])
def test_scikit_learn_agrees(threshold):
    rng = np.random.default_rng(1)
    target = rng.normal(0.8, 0.15, 300)
    prediction = (target + rng.normal(0, 0.1, 300)).round(2)
    cut = float(density_at(threshold, reference=LUNAR))
    low, called = target < cut, prediction < cut
    result = screening(target, prediction, reference=LUNAR, threshold=threshold)
    assert result.accuracy == pytest.approx(oracle.accuracy_score(low, called))
    assert result.recall == pytest.approx(oracle.recall_score(low, called))
    assert result.precision == pytest.approx(oracle.precision_score(low, called))
    assert result.f1 == pytest.approx(oracle.f1_score(low, called))
    assert result.specificity == pytest.approx(oracle.recall_score(~low, ~called))
    assert result.auroc == pytest.approx(oracle.roc_auc_score(low, -prediction))
    assert result.reasons == {}


def test_edges_follow_the_who_classes():
    edge = density_at([-1.0, -2.5], reference=LUNAR)
    at_normal = screening(edge[:1], edge[:1], reference=LUNAR, threshold=-1.0)
    at_osteoporosis = screening(edge[1:], edge[1:], reference=LUNAR, threshold=-2.5)
    assert (at_normal.tn, at_osteoporosis.tp) == (1, 1)


@pytest.mark.parametrize(
    ("cells", "undefined"),
    [
        ({"tp": 0, "fn": 0, "fp": 2, "tn": 3}, {"sensitivity", "recall", "f1", "auroc"}),
        ({"tp": 2, "fn": 1, "fp": 0, "tn": 0}, {"specificity", "auroc"}),
        ({"tp": 0, "fn": 2, "fp": 0, "tn": 2}, {"precision"}),
        ({"tp": 0, "fn": 0, "fp": 0, "tn": 3}, {"sensitivity", "recall", "f1", "auroc", "precision"}),
    ],
)
def test_one_class_is_nan_with_a_reason(cells, undefined):
    target, prediction = vectors(**cells)
    result = screening(target, prediction, reference=LUNAR)
    assert {name for name in SCREENING_METRICS if math.isnan(getattr(result, name))} == undefined
    assert set(result.reasons) == undefined
    assert all(result.reasons.values())


@given(cells=st.fixed_dictionaries({cell: st.integers(0, 9) for cell in ("tp", "fn", "fp", "tn")}))
@settings(deadline=None)
def test_counts_are_consistent(cells):
    result = screening(*vectors(**cells), reference=LUNAR)
    assert {cell: getattr(result, cell) for cell in cells} == cells
    again = screening_from_counts(**cells)
    for name in set(SCREENING_METRICS) - {"auroc"}:
        assert getattr(again, name) == pytest.approx(getattr(result, name), nan_ok=True)


def test_refused():
    with pytest.raises(MetricError, match=r"not negative.*fn=-1"):
        screening_from_counts(tp=1, fn=-1, fp=0, tn=0)
    with pytest.raises(MetricError, match=r"same shape"):
        screening([0.8, 0.9], [0.8], reference=LUNAR)
    with pytest.raises(MetricError, match=r"finite"):
        screening([0.8, np.nan], [0.8, 0.9], reference=LUNAR)
    with pytest.raises(ConfigError, match=r"threshold"):
        screening([0.8], [0.8], reference=LUNAR, threshold=float("nan"))
