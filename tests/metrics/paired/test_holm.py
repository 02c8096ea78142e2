import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metrics.oracles import statsmodels_holm
from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.paired.holm import holm


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_equals_statsmodels(p):
    np.testing.assert_allclose(holm(p), statsmodels_holm(p), atol=1e-12)


def test_tests_that_could_not_be_made_do_not_count():
    adjusted = holm([0.01, np.nan, 0.03])
    np.testing.assert_allclose(adjusted[[0, 2]], holm([0.01, 0.03]))
    assert np.isnan(adjusted[1])


def test_nothing_to_adjust():
    assert holm([]).tolist() == []
    assert holm([0.2]).tolist() == [0.2]
    assert np.isnan(holm([np.nan])).all()


@pytest.mark.parametrize("p", [[-0.1], [1.1], [[0.1]]])
def test_only_p_values(p):
    with pytest.raises(MetricError, match="between 0 and 1"):
        holm(p)
