"""Objectives from sums of folds, against scikit-learn on all predictions; constraints against the built network."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, mean_absolute_error, mean_squared_error

from tests.training.settings import TINY
from xattn_bmd.bone.reference import get_reference
from xattn_bmd.errors import ConfigError
from xattn_bmd.models.network import capacity_table
from xattn_bmd.search.constraints import Constraints, opened_constraints
from xattn_bmd.search.objective import OBJECTIVES, FoldScore, check_objectives, fold_score
from xattn_bmd.types import VariableSchema

REFERENCE = get_reference("lunar_femoral_neck_white_female")
SCHEMA = VariableSchema(numeric=("age", "weight"), categorical=(("sex", ("female", "male")),))


@pytest.fixture
def folds():
    generator = np.random.default_rng(1)
    drawn = [0.9 + 0.1 * generator.normal(size=(n, 2)) for n in (9, 14, 11)]
    return [pd.DataFrame(each, columns=["target", "prediction"]) for each in drawn]


def test_objectives_equal_those_of_scikit_learn(folds):
    scores = [fold_score(fold, reference=REFERENCE) for fold in folds]
    pairs = [(fold["target"], fold["prediction"]) for fold in folds]
    everything = pd.concat(folds)
    edge = REFERENCE.mean - REFERENCE.sd
    assert OBJECTIVES["mae"].of(scores) == pytest.approx(np.mean([mean_absolute_error(*pair) for pair in pairs]))
    assert OBJECTIVES["mse"].of(scores) == pytest.approx(np.mean([mean_squared_error(*pair) for pair in pairs]))
    expected = f1_score(everything["target"] < edge, everything["prediction"] < edge)
    assert OBJECTIVES["f1"].of(scores) == pytest.approx(expected)
    assert OBJECTIVES["f1"].of([FoldScore(n=3, absolute=0.1, squared=0.1, low=0, called=0, found=0)]) == 0.0


def test_a_score_survives_storage(folds):
    score = fold_score(folds[0], reference=REFERENCE)
    assert FoldScore.from_dict(score.to_dict() | {"key": "abc", "seconds": 1.0}) == score


@pytest.mark.parametrize("names", [(), ("mae", "mae"), ("rmse",)])
def test_unknown_or_repeated_objectives_are_refused(names):
    with pytest.raises(ConfigError, match="each once"):
        check_objectives(names)


def test_costs_are_those_of_the_network():
    costs = Constraints(parameters=1, latency_ms=1).costs(TINY, model="film", schema=SCHEMA)
    assert costs["parameters"] == capacity_table(TINY.model)["film"]
    assert 0 < costs["latency_ms"] < 10_000
    assert Constraints(parameters=1).costs(TINY, model="ridge", schema=SCHEMA) == {"parameters": 0.0}
    assert Constraints().costs(TINY, model="film", schema=SCHEMA) == {}


@pytest.mark.parametrize(
    ("given", "said"), [({"parameters": 0}, "above 0"), ({"memory": 1}, "memory"), ({"latency_ms": "x"}, "a number")]
)
def test_impossible_constraints_are_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        opened_constraints(given)
