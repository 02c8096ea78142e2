import numpy as np
import pytest
from scipy import stats

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.paired.wilcoxon import wilcoxon


def errors(seed=0, n=60):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.08, n), rng.normal(0, 0.09, n)


def test_one_radiograph_each_is_scipys_test():
    a, b = errors()
    result = wilcoxon(a, b, patients=range(60))
    assert result.p == pytest.approx(stats.wilcoxon(np.abs(a), np.abs(b)).pvalue)
    assert result.difference == pytest.approx(np.median(np.abs(a) - np.abs(b)))


def test_patients_are_the_pairs():
    a, b = errors()
    owner = np.arange(60) % 20
    by_patient = [np.array([np.abs(each[owner == p]).mean() for p in range(20)]) for each in (a, b)]
    assert wilcoxon(a, b, patients=owner).p == pytest.approx(stats.wilcoxon(*by_patient).pvalue)


def test_copies_of_a_radiograph_and_identical_repeats_add_no_evidence():
    a, b = errors()
    once = wilcoxon(a, b, patients=range(60))
    assert wilcoxon(np.tile(a, 2), np.tile(b, 2), patients=np.tile(np.arange(60), 2)) == pytest.approx(once)
    assert wilcoxon([a, a], [b, b], patients=range(60)) == pytest.approx(once)


def test_the_sign_of_an_error_does_not_matter():
    a, b = errors()
    assert wilcoxon(-a, b, patients=range(60)) == wilcoxon(a, b, patients=range(60))


def test_patients_without_a_difference_are_left_out():
    a, b = errors()
    padded = wilcoxon(np.r_[a, np.zeros(9)], np.r_[b, np.zeros(9)], patients=range(69))
    assert padded.p == pytest.approx(stats.wilcoxon(np.abs(a), np.abs(b), method="asymptotic").pvalue, abs=0.01)


def test_models_that_never_differ_and_three_patients():
    a, b = errors()
    assert wilcoxon(a, -a, patients=range(60)) == (0.0, 1.0)
    assert wilcoxon(a[:3] * 0, b[:3], patients=range(3)).p == 0.25


@pytest.mark.parametrize(
    ("a", "b", "patients", "message"),
    [([0.1], [0.1, 0.2], [0, 1], "pair|shapes"), ([np.nan], [0.1], [0], "finite"), ([], [], [], "at least one")],
)
def test_what_cannot_be_tested_is_refused(a, b, patients, message):
    with pytest.raises(MetricError, match=message):
        wilcoxon(a, b, patients=patients)
