import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from xattn_bmd.bone.reference import QCT_SPINE, get_reference
from xattn_bmd.bone.tscore import density_at
from xattn_bmd.errors import ConfigError, MetricError
from xattn_bmd.metrics.screening import (
    NO_RISK,
    ONLY_COUNTS,
    SCREENING_METRICS,
    low_density,
    positive_class,
    screening,
    screening_from_counts,
)

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


def noisy(*, seed=1, n=300):
    rng = np.random.default_rng(seed)
    target = rng.normal(0.8, 0.15, n)
    return target, (target + rng.normal(0, 0.1, n)).round(2)


@pytest.mark.parametrize("threshold", [-1.0, -1.7, -2.0, -2.5])
def test_scikit_learn_agrees(threshold):
    target, prediction = noisy()
    cut = float(density_at(threshold, reference=LUNAR))
    low, called = target < cut, prediction < cut
    risk = np.clip(1.2 - prediction, 0, 1)
    result = screening(target, prediction, reference=LUNAR, threshold=threshold, risk=risk)
    assert result.accuracy == pytest.approx(oracle.accuracy_score(low, called))
    assert result.balanced_accuracy == pytest.approx(oracle.balanced_accuracy_score(low, called))
    assert result.recall == pytest.approx(oracle.recall_score(low, called))
    assert result.precision == result.ppv == pytest.approx(oracle.precision_score(low, called))
    assert result.npv == pytest.approx(oracle.precision_score(~low, ~called))
    assert result.f1 == pytest.approx(oracle.f1_score(low, called))
    assert result.specificity == pytest.approx(oracle.recall_score(~low, ~called))
    assert result.auroc == pytest.approx(oracle.roc_auc_score(low, -prediction))
    assert result.auprc == pytest.approx(oracle.average_precision_score(low, -prediction))
    assert result.brier == pytest.approx(oracle.brier_score_loss(low, risk))
    assert result.prevalence == pytest.approx(low.mean())
    assert result.reasons == {}


@pytest.mark.parametrize("average", ["positive", "macro", "weighted"])
@pytest.mark.parametrize("positive", ["low", "not_low"])
def test_positive_class_and_average_are_those_of_scikit_learn(positive, average):
    target, prediction = noisy()
    low, called = (low_density(side, reference=LUNAR, threshold=-1.0) for side in (target, prediction))
    name = "binary" if average == "positive" else average
    found = (low, called) if positive == "low" else (~low, ~called)
    expected = oracle.precision_recall_fscore_support(*found, average=name)[:3]
    result = screening(target, prediction, reference=LUNAR, positive=positive, average=average)
    assert [result.precision, result.recall, result.f1] == pytest.approx(expected)
    assert result.ppv == pytest.approx(oracle.precision_score(*found))
    assert result.sensitivity == pytest.approx(oracle.recall_score(*found))
    sign = -1 if positive == "low" else 1
    assert result.auprc == pytest.approx(oracle.average_precision_score(found[0], sign * prediction))
    assert result.auroc == pytest.approx(oracle.roc_auc_score(low, -prediction))
    assert result.average == average
    assert result.positive == positive_class(reference=LUNAR, threshold=-1.0, positive=positive)
    assert [result.tp, result.fn] == [int((found[0] & found[1]).sum()), int((found[0] & ~found[1]).sum())]


def test_the_positive_class_in_words():
    assert positive_class(reference=LUNAR, threshold=-1.0, positive="not_low") == (
        "density that is not low: T >= -1 (density >= 0.899 g/cm²)"
    )
    assert positive_class(reference=LUNAR, threshold=-2.0, positive="not_low").startswith(
        "density that is not low: T > -2 ("
    )
    assert positive_class(reference=LUNAR, threshold=-2.0).startswith("low density: T <= -2 (")


def test_a_missing_risk_and_missing_scores_have_a_reason():
    assert screening(*noisy(), reference=LUNAR).reasons == {"brier": NO_RISK}
    target, prediction = noisy()
    unknown = np.where(np.arange(300) == 7, np.nan, 0.5)
    assert screening(target, prediction, reference=LUNAR, risk=unknown).reasons == {"brier": NO_RISK}
    counted = screening_from_counts(tp=1, fn=1, fp=1, tn=1)
    assert counted.reasons == dict.fromkeys(("auroc", "auprc", "brier"), ONLY_COUNTS)
    assert math.isnan(counted.auroc) and math.isnan(counted.auprc) and math.isnan(counted.brier)


def test_edges_follow_the_who_classes():
    edge = density_at([-1.0, -2.5], reference=LUNAR)
    at_normal = screening(edge[:1], edge[:1], reference=LUNAR, threshold=-1.0)
    at_osteoporosis = screening(edge[1:], edge[1:], reference=LUNAR, threshold=-2.5)
    assert (at_normal.tn, at_osteoporosis.tp) == (1, 1)


NO_LOW = {"sensitivity", "recall", "f1", "auroc", "auprc", "balanced_accuracy"}


@pytest.mark.parametrize(
    ("cells", "undefined"),
    [
        ({"tp": 0, "fn": 0, "fp": 2, "tn": 3}, NO_LOW),
        ({"tp": 2, "fn": 1, "fp": 0, "tn": 0}, {"specificity", "auroc", "balanced_accuracy"}),
        ({"tp": 0, "fn": 2, "fp": 0, "tn": 2}, {"precision", "ppv"}),
        ({"tp": 2, "fn": 0, "fp": 2, "tn": 0}, {"npv"}),
        ({"tp": 0, "fn": 0, "fp": 0, "tn": 3}, NO_LOW | {"precision", "ppv"}),
    ],
)
def test_one_class_is_nan_with_a_reason(cells, undefined):
    target, prediction = vectors(**cells)
    result = screening(target, prediction, reference=LUNAR, risk=np.full(len(target), 0.5))
    assert {name for name in SCREENING_METRICS if math.isnan(getattr(result, name))} == undefined
    assert set(result.reasons) == undefined
    assert all(result.reasons.values())


@given(cells=st.fixed_dictionaries({cell: st.integers(0, 9) for cell in ("tp", "fn", "fp", "tn")}))
@settings(deadline=None)
def test_counts_are_consistent(cells):
    result = screening(*vectors(**cells), reference=LUNAR)
    assert {cell: getattr(result, cell) for cell in cells} == cells
    again = screening_from_counts(**cells)
    for name in set(SCREENING_METRICS) - {"auroc", "auprc", "brier"}:
        assert getattr(again, name) == pytest.approx(getattr(result, name), nan_ok=True)


def test_refused():
    with pytest.raises(MetricError, match=r"not negative.*fn=-1"):
        screening_from_counts(tp=1, fn=-1, fp=0, tn=0)
    with pytest.raises(MetricError, match=r"same shape"):
        screening([0.8, 0.9], [0.8], reference=LUNAR)
    with pytest.raises(MetricError, match=r"finite"):
        screening([0.8, np.nan], [0.8, 0.9], reference=LUNAR)
    with pytest.raises(MetricError, match=r"0-1 for each of 2 radiographs.*shape \(1,\)"):
        screening([0.8, 0.9], [0.8, 0.9], reference=LUNAR, risk=[0.5])
    with pytest.raises(MetricError, match=r"values from 0.5 to 1.5"):
        screening([0.8, 0.9], [0.8, 0.9], reference=LUNAR, risk=[0.5, 1.5])
    with pytest.raises(ConfigError, match=r"threshold"):
        screening([0.8], [0.8], reference=LUNAR, threshold=float("nan"))


def test_volumetric_density_is_screened_at_120_and_below_80():
    target, prediction = [79.0, 80.0, 120.0, 121.0], [80.0, 79.0, 121.0, 120.0]
    low = screening(target, prediction, reference=QCT_SPINE, threshold=-1.0)
    assert (low.tp, low.fn, low.fp, low.tn) == (2, 1, 1, 0)
    assert low.positive == "low density: <= 120 mg/cm³"
    worse = screening(target, prediction, reference=QCT_SPINE, threshold=-2.5)
    assert (worse.tp, worse.fn, worse.fp, worse.tn) == (0, 1, 1, 2)
    assert worse.positive == "low density: < 80 mg/cm³"
    other = screening(target, prediction, reference=QCT_SPINE, positive="not_low")
    assert other.positive == "density that is not low: > 120 mg/cm³"
