import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from MLstatkit import Delong_test
from sklearn.metrics import roc_auc_score

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.paired.delong import delong


def scores(*, n=90, seed=0, decimals=8):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    shared = rng.normal(size=n)
    a, b = (np.round(signal * positive + shared + rng.normal(size=n), decimals) for signal in (1.2, 0.6))
    return positive, a, b


@pytest.mark.parametrize("decimals", [8, 0], ids=["distinct", "tied"])
@pytest.mark.parametrize("seed", range(5))
def test_one_radiograph_each_is_the_published_test(seed, decimals):
    positive, a, b = scores(seed=seed, decimals=decimals)
    z, p = Delong_test(positive.astype(int), a, b, return_ci=False, return_auc=False)
    result = delong(positive, a, b, patients=range(len(a)))
    assert result.p == pytest.approx(p)
    assert result.difference == pytest.approx(roc_auc_score(positive, a) - roc_auc_score(positive, b))
    error = (result.high - result.low) / (2 * 1.959963984540054)
    assert abs(result.difference / error) == pytest.approx(abs(z))


def clustered_variance_by_definition(positive, a, b, patients):
    """Obuchowski's variance of the difference, term by term over pairs of radiographs."""
    psi = {
        name: np.array([[(x > y) + 0.5 * (x == y) for y in score[~positive]] for x in score[positive]])
        for name, score in (("a", a), ("b", b))
    }
    area = {name: each.mean() for name, each in psi.items()}
    of_positive, of_negative = patients[positive], patients[~positive]
    m, n, everyone = positive.sum(), (~positive).sum(), np.unique(patients)
    first, second = len(np.unique(of_positive)), len(np.unique(of_negative))

    def covariance(one, two):
        x = {k: psi[k].mean(axis=1) - area[k] for k in (one, two)}
        y = {k: psi[k].mean(axis=0) - area[k] for k in (one, two)}
        s10 = (
            first
            / ((first - 1) * m)
            * sum(x[one][of_positive == i].sum() * x[two][of_positive == i].sum() for i in everyone)
        )
        s01 = (
            second
            / ((second - 1) * n)
            * sum(y[one][of_negative == i].sum() * y[two][of_negative == i].sum() for i in everyone)
        )
        factor = len(everyone) / (len(everyone) - 1)
        s11, s11_swapped = (
            factor * sum(x[p][of_positive == i].sum() * y[q][of_negative == i].sum() for i in everyone)
            for p, q in ((one, two), (two, one))
        )
        return s10 / m + s01 / n + (s11 + s11_swapped) / (m * n)

    return covariance("a", "a") + covariance("b", "b") - 2 * covariance("a", "b")


@pytest.mark.parametrize("seed", range(3))
def test_several_radiographs_each_by_definition(seed):
    positive, a, b = scores(n=60, seed=seed, decimals=1)
    patients = np.random.default_rng(seed).integers(0, 25, 60)
    result = delong(positive, a, b, patients=patients)
    variance = clustered_variance_by_definition(positive, a, b, patients)
    assert (result.high - result.low) / (2 * 1.959963984540054) == pytest.approx(math.sqrt(variance))


def test_copies_of_a_radiograph_add_no_evidence():
    positive, a, b = scores()
    once = delong(positive, a, b, patients=range(90))
    again = delong(*(np.tile(each, 3) for each in (positive, a, b)), patients=np.tile(np.arange(90), 3))
    naive = delong(*(np.tile(each, 3) for each in (positive, a, b)), patients=range(270))
    assert again == pytest.approx(once)
    assert naive.p < once.p


def test_identical_repeats_change_nothing_and_others_are_averaged():
    positive, a, b = scores()
    assert delong(positive, [a, a], [b, b], patients=range(90)) == pytest.approx(
        delong(positive, a, b, patients=range(90))
    )
    mixed = delong(positive, [a, b], [b, b], patients=range(90))
    assert mixed.difference == pytest.approx(delong(positive, a, b, patients=range(90)).difference / 2)


@given(st.integers(0, 200), st.integers(4, 30))
def test_swapping_models_or_classes_keeps_p(seed, n):
    positive, a, b = scores(n=n, seed=seed, decimals=1)
    patients = np.random.default_rng(seed).integers(0, n, n)
    there, back = delong(positive, a, b, patients=patients), delong(positive, b, a, patients=patients)
    other = delong(~positive, -a, -b, patients=patients)
    assert there.p == pytest.approx(back.p, nan_ok=True) == pytest.approx(other.p, nan_ok=True)
    assert there.difference == pytest.approx(-back.difference, nan_ok=True, abs=1e-12)
    assert math.isnan(there.p) or 0 <= there.p <= 1


def test_models_that_rank_alike():
    positive, a, _ = scores()
    for same in (a, np.exp(a), np.zeros_like(a)):
        base = a if same.any() else same
        result = delong(positive, same, base, patients=range(90))
        assert (result.difference, result.p) == (0.0, 1.0)
        assert math.isnan(result.low)


def test_one_class_or_one_patient_of_a_class_has_no_test():
    assert all(map(math.isnan, delong([True] * 3, [1, 2, 3], [3, 2, 1], patients=range(3))))
    lone = delong([True, False, False], [1, 2, 0], [3, 2, 1], patients=range(3))
    assert lone.difference == pytest.approx(-0.5)
    assert math.isnan(lone.p)
    assert math.isnan(delong([1, 1, 0, 0], [1, 2, 0, 3], [3, 2, 1, 0], patients=["p"] * 4).p)


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(MetricError, match="pair them"):
        delong([True, False], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], patients=range(3))
    with pytest.raises(MetricError, match="finite"):
        delong([True, False], [1.0, np.nan], [1.0, 2.0], patients=range(2))
