import pytest
import torch

from tests.contracts.made_up import SCHEMA, made_patients
from xattn_bmd.models.metadata import VariableEncoder
from xattn_bmd.types import Variables, VariableSchema


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return VariableEncoder(SCHEMA, width=16, dropout=0.1).eval()


@pytest.mark.parametrize("changed", range(5))
def test_a_token_depends_on_its_own_variable_only(encoder, changed):
    _, variables = made_patients()
    present = Variables(variables.numeric, variables.codes, torch.zeros_like(variables.missing))
    numeric, codes = present.numeric.clone(), present.codes.clone()
    if changed < 3:
        numeric[:, changed] += 1
    else:
        codes[:, changed - 3] = (codes[:, changed - 3] + 1) % SCHEMA.cardinalities[changed - 3]
    before, after = encoder(present), encoder(Variables(numeric, codes, present.missing))
    moved = (before != after).any(dim=-1)
    assert moved[:, changed].all()
    assert moved.sum() == len(moved)


def test_missing_is_a_token_of_its_own_that_differs_from_the_mean_and_between_variables(encoder):
    zero = Variables(torch.zeros(1, 3), torch.zeros(1, 2, dtype=torch.int64), torch.zeros(1, 5, dtype=torch.bool))
    present, missing = encoder(zero)[0], encoder(zero._replace(missing=torch.ones(1, 5, dtype=torch.bool)))[0]
    assert (present - missing).abs().amax(dim=1).min() > 0.05
    assert torch.pdist(missing).min() > 0.05


def test_categories_of_two_variables_do_not_share_an_embedding(encoder):
    record = Variables(torch.zeros(1, 3), torch.zeros(1, 2, dtype=torch.int64), torch.zeros(1, 5, dtype=torch.bool))
    tokens = encoder(record)[0]
    assert (tokens[3] - tokens[4]).abs().max() > 0.05


@pytest.mark.parametrize(
    "schema",
    [
        VariableSchema(numeric=("age", "bmi"), categorical=()),
        VariableSchema(numeric=(), categorical=(("sex", ("f", "m")), ("smoking", ("no", "yes")))),
    ],
)
def test_one_kind_of_variable_alone_is_enough(schema):
    numeric, categorical = len(schema.numeric), len(schema.categorical)
    record = Variables(
        torch.zeros(3, numeric), torch.ones(3, categorical, dtype=torch.int64), torch.zeros(3, 2, dtype=torch.bool)
    )
    assert VariableEncoder(schema, width=16, dropout=0.0)(record).shape == (3, 2, 16)
