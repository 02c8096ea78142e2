"""The difference between two independent samples from their intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from xattn_bmd.metrics.independent import independent_difference
from xattn_bmd.metrics.intervals import Interval

NAN = float("nan")
spans = st.floats(1e-3, 10.0)


@given(value=st.tuples(st.floats(-5, 5), st.floats(-5, 5)), spread=st.tuples(spans, spans))
def test_symmetric_intervals_give_the_usual_sum_of_variances(value, spread):
    a, b = (Interval(v - s, v + s) for v, s in zip(value, spread, strict=True))
    low, high = independent_difference(value[0], a, value[1], b)
    half = np.hypot(*spread)
    assert (low, high) == pytest.approx((value[0] - value[1] - half, value[0] - value[1] + half))


def test_wilson_intervals_give_newcombes_interval():
    from statsmodels.stats.proportion import proportion_confint

    counts, sizes = (56, 48), (70, 80)
    a, b = (Interval(*proportion_confint(x, n, method="wilson")) for x, n in zip(counts, sizes, strict=True))
    ours = independent_difference(56 / 70, a, 48 / 80, b)
    assert ours == pytest.approx(confint_proportions_2indep(56, 70, 48, 80, method="newcomb", compare="diff"), abs=1e-9)


@given(low=spans, high=spans)
def test_swapping_the_samples_swaps_the_ends(low, high):
    a, b = Interval(1 - low, 1 + high), Interval(-high, low)
    there, back = independent_difference(1, a, 0, b), independent_difference(0, b, 1, a)
    assert there == pytest.approx((-back.high, -back.low))


@pytest.mark.parametrize("ends", [(NAN, 1.0), (0.0, NAN), (NAN, NAN)])
def test_an_unknown_end_is_no_interval_on_that_side(ends):
    interval = independent_difference(0.5, Interval(*ends), 0.4, Interval(0.3, 0.6))
    assert np.isnan(interval).any()
