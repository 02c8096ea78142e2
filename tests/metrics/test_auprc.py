import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.auprc import auprc, weighted_auprc


@given(
    rows=st.lists(
        st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=3, max_size=40
    )  # few scores: many ties
)
@settings(deadline=None)
def test_scikit_learn_agrees_with_ties_and_weights(rows):
    positive, score, weights = (np.array(column) for column in zip(*rows, strict=True))
    assume(weights[positive].sum() > 0)
    expected = average_precision_score(positive, score, sample_weight=weights)
    assert auprc(positive, score, weights=weights) == pytest.approx(expected, abs=1e-12)
    assert auprc(positive, score) == pytest.approx(average_precision_score(positive, score), abs=1e-12)


def test_rows_of_weights_are_independent():
    rng = np.random.default_rng(0)
    positive, score = rng.random(30) < 0.4, rng.integers(0, 8, 30).astype(float)
    weights = rng.integers(0, 3, (6, 30)).astype(float)
    single = [average_precision_score(positive, score, sample_weight=row) for row in weights]
    np.testing.assert_allclose(weighted_auprc(positive, score, weights), single)


def test_a_weight_is_a_number_of_copies():
    rng = np.random.default_rng(1)
    positive, score, copies = rng.random(40) < 0.3, rng.normal(size=40), rng.integers(0, 4, 40)
    repeated = auprc(np.repeat(positive, copies), np.repeat(score, copies))
    assert auprc(positive, score, weights=copies) == pytest.approx(repeated)


def test_a_constant_score_has_the_prevalence():
    assert auprc([True, False, False, False], [0.5] * 4) == 0.25


def test_edges():
    assert math.isnan(auprc([False, False], [0.1, 0.2]))
    assert math.isnan(auprc([True, False], [0.1, 0.2], weights=[0, 1]))
    assert math.isnan(auprc([], []))
    assert auprc([True, True], [0.1, 0.2]) == 1.0
    assert auprc([True], [0.1]) == 1.0


def test_refused():
    with pytest.raises(MetricError, match="same shape"):
        auprc([True], [0.1, 0.2])
    with pytest.raises(MetricError, match="finite"):
        auprc([True, False], [0.1, np.nan])
