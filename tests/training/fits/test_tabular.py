"""Record baselines: stored arrays predict exactly as scikit-learn does."""

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge

from xattn_bmd.training.fits import tabular
from xattn_bmd.training.fits.tabular import TABULAR, fit_tabular
from xattn_bmd.training.fits.tabular_model import TabularData


def _data(n=120, k=6, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, k))
    y = 0.88 + 0.05 * x[:, 0] - 0.04 * (x[:, 1] > 0) + 0.03 * generator.normal(size=n)
    return x, y


def test_ridge_arrays_predict_as_scikit_learn():
    x, y = _data()
    arrays = TABULAR["ridge"].fit(x, y, [10.0], 0)[0]
    expected = Ridge(alpha=10.0).fit(x, y).predict(x)
    np.testing.assert_allclose(TABULAR["ridge"].predict(arrays, x), expected, atol=1e-12)


@pytest.mark.parametrize("count", [1, 40])
def test_tree_arrays_predict_as_scikit_learn(count):
    x, y = _data()
    arrays = TABULAR["boosted_trees"].fit(x, y, [float(count), 50.0], 3)[0]
    oracle = GradientBoostingRegressor(
        n_estimators=count, learning_rate=0.05, max_depth=2, subsample=0.7, min_samples_leaf=8, random_state=3
    ).fit(x, y)
    fresh = np.random.default_rng(9).normal(size=(500, 6))
    feature, threshold = arrays["feature"][:, 0].astype(int), arrays["threshold"][:, 0]
    fresh[np.arange(count), feature] = np.nextafter(threshold, np.inf)  # scikit-learn compares in single precision
    np.testing.assert_allclose(TABULAR["boosted_trees"].predict(arrays, fresh), oracle.predict(fresh), atol=1e-12)


def test_trees_that_find_no_split_predict_the_mean():
    x, y = _data(n=12)
    arrays = TABULAR["boosted_trees"].fit(x, y, [10.0], 0)[0]
    np.testing.assert_allclose(TABULAR["boosted_trees"].predict(arrays, x), y.mean(), atol=0.05)


@pytest.mark.parametrize("name", sorted(TABULAR))
def test_the_choice_never_sees_the_scored_rows_under_nested(name):
    x, y = _data()
    data = TabularData(train=x[:90], target=y[:90], patients=[str(i) for i in range(90)], choose_on=None, seed=0)
    arrays, chosen = fit_tabular(name, data)
    again, same = fit_tabular(name, data)
    assert chosen == same in TABULAR[name].choices
    for key in arrays:
        np.testing.assert_array_equal(arrays[key], again[key])


def test_under_paper_the_choice_is_made_on_the_scored_rows():
    x, _ = _data()
    noise = np.random.default_rng(5).normal(size=90)
    honest = TabularData(train=x[:90], target=noise, patients=[str(i) for i in range(90)], choose_on=None, seed=0)
    told = TabularData(train=x[:90], target=noise, patients=honest.patients, choose_on=(x[:90], noise), seed=0)
    assert fit_tabular("boosted_trees", told)[1] == max(tabular.TREE_COUNTS)
    assert fit_tabular("boosted_trees", honest)[1] < max(tabular.TREE_COUNTS)


def test_inner_folds_keep_a_patient_together():
    patients = [str(number // 2) for number in range(20)]
    for inside, outside in tabular._inner_folds(patients):
        assert not {patients[i] for i in inside} & {patients[i] for i in outside}
