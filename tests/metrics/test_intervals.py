import math

import numpy as np
import pytest
from scipy import stats

from xattn_bmd.metrics.intervals import patient_bootstrap, patient_counts, percentile_interval, resampled_sums
from xattn_bmd.metrics.regression import mae, metrics_from_sums, regression_terms


def test_counts_are_seeded_draws_of_all_patients():
    counts = patient_counts(50, seed=3, replicates=400)
    assert (counts.sum(axis=1) == 50).all()
    assert (counts == patient_counts(50, seed=3, replicates=400)).all()
    assert (counts != patient_counts(50, seed=4, replicates=400)).any()
    assert counts.mean(axis=0) == pytest.approx(1.0, abs=0.25)
    assert counts.var() == pytest.approx(1 - 1 / 50, rel=0.05)


def test_radiographs_of_a_patient_go_together_in_any_order():
    patients = np.array(["b", "a", "c", "a", "b", "a"])
    counts = patient_bootstrap(patients, seed=0, replicates=100)
    for name in "abc":
        assert (np.ptp(counts[:, patients == name], axis=1) == 0).all()
    order = [5, 0, 3, 2, 1, 4]
    assert (patient_bootstrap(patients[order], seed=0, replicates=100) == counts[:, order]).all()


def test_scipy_percentile_bootstrap_agrees():
    rng = np.random.default_rng(0)
    target = rng.normal(0.88, 0.15, 120)
    prediction = target + rng.normal(0.01, 0.09, 120)
    counts = patient_counts(120, seed=0, replicates=4000)
    replicates = metrics_from_sums(resampled_sums(counts, regression_terms(target, prediction)))
    for name, statistic in {
        "mae": mae,
        "pearson_r": lambda t, p: np.corrcoef(t, p)[0, 1],
    }.items():
        expected = stats.bootstrap(
            (target, prediction), statistic, paired=True, vectorized=False, n_resamples=2000, method="percentile", rng=1
        ).confidence_interval
        assert percentile_interval(replicates[name]) == pytest.approx(tuple(expected), abs=0.004)


def test_clusters_widen_the_interval():
    rng = np.random.default_rng(0)
    effect = np.repeat(rng.normal(0, 1, 40), 5)
    by_patient = resampled_sums(patient_bootstrap(np.repeat(np.arange(40), 5)), effect[:, None])[:, 0] / 200
    by_radiograph = resampled_sums(patient_counts(200), effect[:, None])[:, 0] / 200
    assert np.ptp(percentile_interval(by_patient)) > 1.8 * np.ptp(percentile_interval(by_radiograph))


def test_coverage_of_a_mean():
    rng = np.random.default_rng(0)
    counts = patient_counts(60, seed=1, replicates=400)
    inside = 0
    for _ in range(200):
        low, high = percentile_interval(resampled_sums(counts, rng.normal(0, 1, (60, 1)))[:, 0] / 60)
        inside += low <= 0 <= high
    assert 0.89 <= inside / 200 <= 0.99


def test_undefined_replicates():
    few = np.where(np.arange(100) < 5, np.nan, 1.0)
    many = np.where(np.arange(100) < 20, np.nan, 1.0)
    assert percentile_interval(few) == (1.0, 1.0)
    assert all(map(math.isnan, percentile_interval(many)))
    assert all(map(math.isnan, percentile_interval([])))


def test_one_patient_has_no_replicates():
    counts = patient_counts(1)
    assert counts.shape == (0, 1)
    assert resampled_sums(counts, np.ones((1, 8))).shape == (0, 8)
