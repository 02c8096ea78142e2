import math

import numpy as np
import pytest
from scipy import stats

from xattn_bmd.metrics.auroc import weighted_auroc
from xattn_bmd.metrics.intervals import (
    Resampled,
    bca_interval,
    patient_bootstrap,
    patient_counts,
    patient_draws,
    percentile_interval,
    resample,
    resampled_sums,
    split_draws,
)
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


def skewed(n, seed=0):
    """Return the draws and the resampled variance of skewed values, whose percentile interval lies too low."""
    values = np.random.default_rng(seed).lognormal(size=n)
    draws = patient_draws(n, seed=1, replicates=4000)
    sums = resampled_sums(draws.weights, np.column_stack([np.ones(n), values, values**2]))
    return values, split_draws(sums[:, 2] / sums[:, 0] - (sums[:, 1] / sums[:, 0]) ** 2, draws)


def test_scipy_bca_bootstrap_agrees():
    values, variance = skewed(80)
    expected = stats.bootstrap((values,), np.var, n_resamples=6000, method="BCa", rng=1).confidence_interval
    found = bca_interval(variance)
    assert found == pytest.approx(tuple(expected), rel=0.06)
    assert found.high > 1.08 * percentile_interval(variance.replicates).high


def test_groups_stand_in_for_single_patients():
    values, variance = skewed(1000)
    assert len(variance.left_out) == 200
    influence = (values - values.mean()) ** 2
    influence -= influence.mean()
    exact = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    spread = variance.left_out.mean() - variance.left_out
    assert (spread**3).sum() / (6 * (spread**2).sum() ** 1.5) == pytest.approx(exact, rel=0.1)


def test_left_out_groups_cover_every_patient_once():
    draws = patient_draws(450, replicates=3)
    left_out = draws.weights[1 + draws.replicates :]
    assert left_out.shape == (200, 450)
    assert ((left_out == 0).sum(axis=0) == 1).all()
    assert set((left_out == 0).sum(axis=1)) == {2, 3}
    assert (draws.weights[0] == 1).all()


def test_bca_of_what_does_not_vary():
    constant = Resampled(0.5, np.full(100, 0.5), np.full(20, 0.5))
    assert all(map(math.isnan, bca_interval(constant)))
    assert all(map(math.isnan, bca_interval(Resampled(float("nan"), np.ones(100), np.ones(5)))))
    undefined = Resampled(0.5, np.where(np.arange(100) < 20, np.nan, 0.5), np.ones(5))
    assert all(map(math.isnan, bca_interval(undefined)))


def test_bca_stays_inside_its_replicates():
    extreme = Resampled(5.0, np.random.default_rng(0).normal(size=500), np.random.default_rng(1).normal(size=20))
    low, high = bca_interval(extreme)
    assert extreme.replicates.min() <= low <= high <= extreme.replicates.max()


def test_a_statistic_of_weights_sees_every_radiograph_of_a_patient():
    rng = np.random.default_rng(0)
    patients = rng.integers(20, size=60)
    low, score = rng.random(60) < 0.4, rng.normal(size=60)
    draws = patient_draws(20, replicates=300)
    area = resample(lambda weights: weighted_auroc(low, score, weights), draws, patients)
    assert area.value == pytest.approx(weighted_auroc(low, score, np.ones((1, 60)))[0])
    assert (len(area.replicates), len(area.left_out)) == (300, 20)
    alone = weighted_auroc(low, score, (patients != 7)[None].astype(float))[0]
    assert np.isclose(area.left_out, alone).sum() >= 1


def test_draws_of_one_seed_are_kept_and_nobody_can_change_them():
    draws = patient_draws(6, seed=3, replicates=20)
    with pytest.raises(ValueError, match="read-only"):
        draws.weights[0, 0] = 5
    for others in ({"seed": 4, "replicates": 20}, {"seed": 3, "replicates": 21}):
        assert not np.array_equal(patient_draws(6, **others).weights, draws.weights)
    np.testing.assert_array_equal(
        patient_draws(6, seed=3, replicates=20).weights[1:21], patient_counts(6, seed=3, replicates=20)
    )
