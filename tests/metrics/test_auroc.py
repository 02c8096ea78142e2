import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from xattn_bmd.errors import MetricError
from xattn_bmd.metrics.auroc import auroc, weighted_auroc


@given(
    rows=st.lists(
        st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=4, max_size=40
    )  # few scores: many ties
)
@settings(deadline=None)
def test_scikit_learn_agrees_with_ties_and_weights(rows):
    positive, score, weights = (np.array(column) for column in zip(*rows, strict=True))
    assume(weights[positive].sum() > 0 and weights[~positive].sum() > 0)
    expected = roc_auc_score(positive, score, sample_weight=weights)
    assert auroc(positive, score, weights=weights) == pytest.approx(expected, abs=1e-12)
    assert auroc(positive, score) == pytest.approx(roc_auc_score(positive, score), abs=1e-12)


def test_rows_of_weights_are_independent():
    rng = np.random.default_rng(0)
    positive, score = rng.random(30) < 0.4, rng.integers(0, 8, 30).astype(float)
    weights = rng.integers(0, 3, (6, 30)).astype(float)
    single = [auroc(positive, score, weights=row) for row in weights]
    np.testing.assert_allclose(weighted_auroc(positive, score, weights), single)


def test_one_class_is_nan():
    assert math.isnan(auroc([True, True], [0.1, 0.2]))
    assert math.isnan(auroc([False, False], [0.1, 0.2]))
    assert math.isnan(auroc([True, False], [0.1, 0.2], weights=[0, 1]))
    assert math.isnan(auroc([], []))


def test_refused():
    with pytest.raises(MetricError, match="same shape"):
        auroc([True], [0.1, 0.2])
    with pytest.raises(MetricError, match="finite"):
        auroc([True, False], [0.1, np.nan])
