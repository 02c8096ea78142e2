"""Baselines of classes: stored arrays say exactly what scikit-learn says."""

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from xattn_bmd.training.fits.class_tabular import LEAST_CHANCE
from xattn_bmd.training.fits.class_tabular import log_loss as own_log_loss
from xattn_bmd.training.fits.tabular import TABULAR, fit_tabular, tabular_model
from xattn_bmd.training.fits.tabular_model import TabularData


def made(classes, n=150, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 5))
    y = np.digitize(x[:, 0] + 0.5 * generator.normal(size=n), np.linspace(-0.8, 1.0, classes - 1)).astype(float)
    return x, y, generator.normal(size=(80, 5))


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_penalised_logistic_regression(classes):
    x, y, fresh = made(classes)
    model = tabular_model("ridge", classes=classes)
    oracle = LogisticRegression(C=1 / 10.0, max_iter=1000).fit(x, y)
    found = model.predict(model.fit(x, y, [10.0], 0)[0], fresh)
    np.testing.assert_allclose(found, oracle.predict_proba(fresh), atol=1e-10)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("count", [1, 20])
def test_boosted_trees(classes, count):
    x, y, fresh = made(classes)
    model = tabular_model("boosted_trees", classes=classes)
    oracle = GradientBoostingClassifier(
        n_estimators=count, learning_rate=0.05, max_depth=2, subsample=0.7, min_samples_leaf=8, random_state=3
    ).fit(x, y)
    found = model.predict(model.fit(x, y, [float(count), 30.0], 3)[0], fresh)
    np.testing.assert_allclose(found, oracle.predict_proba(fresh), atol=1e-7)


@pytest.mark.parametrize("name", TABULAR)
@pytest.mark.parametrize("kept", [(0.0, 2.0), (1.0,)])
def test_a_class_that_the_rows_lack_has_chance_zero(name, kept):
    x, y, fresh = made(3)
    rows = np.isin(y, kept)
    model = tabular_model(name, classes=3)
    found = model.predict(model.fit(x[rows], y[rows], [model.choices[0]], 0)[0], fresh)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    lacking = [code for code in range(3) if code not in kept]
    assert (found[:, lacking] == 0).all() and (found[:, [int(code) for code in kept]] > 0).all()


@pytest.mark.parametrize("name", TABULAR)
def test_the_choice_is_that_of_the_smallest_log_loss(name):
    x, y, fresh = made(3, n=60)
    told = np.digitize(fresh[:, 0], [-0.8, 1.0]).astype(float)
    data = TabularData(x, y, [str(row) for row in range(len(x))], (fresh, told), 0, classes=3)
    _, chosen = fit_tabular(name, data)
    model = tabular_model(name, classes=3)
    each = [
        log_loss(told, model.predict(arrays, fresh), labels=range(3)) for arrays in model.fit(x, y, model.choices, 0)
    ]
    assert chosen == model.choices[int(np.argmin(each))]


def test_log_loss_is_finite_where_a_class_was_lacking():
    assert own_log_loss(np.array([[1.0, 0.0]]), np.array([1.0])).item() == pytest.approx(-np.log(LEAST_CHANCE))
