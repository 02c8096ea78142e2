import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.prevalence import transferred_values

SHARES = st.floats(0.01, 0.99)


@given(sensitivity=SHARES, specificity=SHARES, prevalence=SHARES)
def test_a_large_population_counted(sensitivity, specificity, prevalence):
    people = 1e6
    low, other = people * prevalence, people * (1 - prevalence)
    tp, tn = sensitivity * low, specificity * other
    ppv, npv = transferred_values(sensitivity, specificity, prevalence=prevalence)
    assert ppv == pytest.approx(tp / (tp + (other - tn)))
    assert npv == pytest.approx(tn / (tn + (low - tp)))


def test_the_cohorts_own_prevalence_gives_the_cohorts_values():
    ppv, npv = transferred_values(98 / 131, 82 / 102, prevalence=131 / 233)
    assert ppv == pytest.approx(98 / 118)
    assert npv == pytest.approx(82 / 115)


def test_rarer_means_less_sure_of_a_positive_call():
    ppv, npv = transferred_values(0.8, 0.9, prevalence=[0.02, 0.1, 0.59])
    assert (np.diff(ppv) > 0).all() and (np.diff(npv) < 0).all()


def test_edges_and_broadcasting():
    ppv, npv = transferred_values([0.8, np.nan], [0.9, 0.9], prevalence=[[0.0], [1.0]])
    np.testing.assert_array_equal(ppv, [[0, np.nan], [1, np.nan]])
    np.testing.assert_array_equal(npv, [[1, np.nan], [0, np.nan]])
    assert np.isnan(transferred_values(0.0, 1.0, prevalence=0.1).ppv)  # nobody is called low
    assert np.isnan(transferred_values(1.0, 0.0, prevalence=0.1).npv)


@pytest.mark.parametrize("prevalence", [10, -0.1, np.nan, [0.1, 1.1]])
def test_refused(prevalence):
    with pytest.raises(MetricError, match=r"share in 0-1.*10 % as 0\.1"):
        transferred_values(0.8, 0.9, prevalence=prevalence)
