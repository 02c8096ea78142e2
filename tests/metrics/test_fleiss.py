import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.fleiss import fleiss_from_sums, fleiss_kappa, fleiss_terms

# The worked example of Fleiss (1971): 14 readers, 10 items, 5 classes; kappa 0.210.
WORKED = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)


def test_the_worked_example():
    assert fleiss_kappa(WORKED) == pytest.approx(0.210, abs=5e-4)


@given(data=st.data(), items=st.integers(2, 15), readers=st.integers(2, 6))
@settings(deadline=None, max_examples=50)
def test_statsmodels_agrees(data, items, readers):
    row = st.lists(st.integers(0, 3), min_size=readers, max_size=readers)
    ratings = np.array(data.draw(st.lists(row, min_size=items, max_size=items)))
    counts = aggregate_raters(ratings, n_cat=4)[0]
    if len(np.unique(ratings)) == 1:
        assert np.isnan(fleiss_kappa(counts))
    else:
        assert fleiss_kappa(counts) == pytest.approx(statsmodels_fleiss(counts), abs=1e-12)


def test_identical_readers_agree_fully_and_items_may_be_counted_twice():
    assert fleiss_kappa([[3, 0, 0], [0, 3, 0], [0, 0, 3]]) == pytest.approx(1.0)
    weights = np.array([2.0, 0, 1, 1, 0, 3, 1, 1, 1, 0])
    copies = np.repeat(WORKED, weights.astype(int), axis=0)
    assert fleiss_from_sums(weights @ fleiss_terms(WORKED.astype(float))) == pytest.approx(fleiss_kappa(copies))


@pytest.mark.parametrize(
    ("counts", "found"), [([[2, 1], [1, 1]], "2, 3 readers"), ([[1, 0]], "with 1 readers"), ([1, 2], r"shape \(2,\)")]
)
def test_refused(counts, found):
    with pytest.raises(MetricError, match=f"{found}.*leave out items"):
        fleiss_kappa(counts)
