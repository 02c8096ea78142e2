import pytest
import torch

from tests.contracts.made_up import SCHEMA, made_network, small_config
from xattn_bmd.config import ModelConfig
from xattn_bmd.errors import ModelError
from xattn_bmd.models.attention import CrossAttention, KeysValues, KeyValueUpdater
from xattn_bmd.models.fusions import FUSIONS
from xattn_bmd.models.fusions.xattn import CrossAttentionFusion
from xattn_bmd.models.network import build_network, capacity_table, fusion_parameters
from xattn_bmd.types import VariableSchema


@pytest.mark.parametrize(("width", "layers", "heads"), [(16, 1, 1), (64, 3, 4), (128, 3, 4), (128, 1, 8), (256, 4, 4)])
def test_every_fusion_is_within_a_tenth_of_the_parameters_of_xattn(width, layers, heads):
    table = capacity_table(ModelConfig(width=width, layers=layers, heads=heads))
    assert set(table) == set(FUSIONS)
    assert all(abs(count / table["xattn"] - 1) <= 0.1 for count in table.values()), table


def test_fusion_parameters_are_those_of_the_table():
    table = capacity_table(small_config())
    assert {name: fusion_parameters(made_network(name)) for name in FUSIONS} == table


def test_parts_that_a_fusion_does_not_use_are_not_built():
    assert made_network("metadata_only", backbone="no_such_backbone").image_encoder is None
    assert made_network("image_only").variable_encoder is None


def test_metadata_only_needs_no_image():
    from tests.contracts.made_up import made_patients

    image, variables = made_patients()
    network = made_network("metadata_only")
    assert torch.equal(network(None, variables).density, network(image, variables).density)
    with pytest.raises(ModelError, match="none was given"):
        made_network("xattn")(None, variables)


def test_cross_attention_equals_torchs_own():
    torch.manual_seed(0)
    ours = CrossAttention(width=16, heads=4, dropout=0.0)
    tokens, keys, values = torch.rand(3, 7, 16), torch.rand(3, 5, 16), torch.rand(3, 5, 16)
    updated, attention = ours(tokens, KeysValues(keys, values))
    oracle = torch.nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        oracle.in_proj_weight.copy_(torch.cat([ours.query.weight, torch.eye(16), torch.eye(16)]))
        oracle.in_proj_bias.copy_(torch.cat([ours.query.bias, torch.zeros(32)]))
        oracle.out_proj.load_state_dict(ours.output.state_dict())
    read, weight = oracle(ours.norm(tokens), keys, values, average_attn_weights=False)
    torch.testing.assert_close(updated, tokens + ours.scale * read)
    torch.testing.assert_close(attention, weight)


def test_key_value_updater_adds_to_what_was_there():
    torch.manual_seed(0)
    updater, tokens = KeyValueUpdater(8), torch.rand(2, 5, 8)
    first = updater(tokens, None)
    second = updater(tokens, first)
    torch.testing.assert_close(second.keys, 2 * first.keys)
    torch.testing.assert_close(second.values, 2 * first.values)


def test_layer_weight_chooses_the_layer():
    torch.manual_seed(0)
    fusion = CrossAttentionFusion(small_config(layers=3)).eval()
    image, variables = torch.rand(2, 9, 16), torch.rand(2, 5, 16)
    torch.testing.assert_close(fusion(image, variables).attention.layer_weight, torch.full((3,), 1 / 3))
    with torch.no_grad():
        fusion.layer_logit.copy_(torch.tensor([100.0, 0.0, 0.0]))
    first_only = fusion(image, variables).vector
    with torch.no_grad():
        fusion.layers[2].image_reads.scale.fill_(9.0)
    torch.testing.assert_close(fusion(image, variables).vector, first_only)


def test_dropout_leaves_the_returned_attention_whole():
    fusion = CrossAttentionFusion(small_config(dropout=0.5)).train()
    attention = fusion(torch.rand(2, 9, 16), torch.rand(2, 5, 16)).attention
    torch.testing.assert_close(attention.image_to_variables.sum(-1), torch.ones(2, 2, 4, 9))


@pytest.mark.parametrize(("patches", "variables"), [(1, 5), (9, 1)])
def test_single_key_is_refused(patches, variables):
    fusion = CrossAttentionFusion(small_config())
    with pytest.raises(ModelError, match="one key is a linear map"):
        fusion(torch.rand(2, patches, 16), torch.rand(2, variables, 16))


def test_single_variable_is_refused_before_training():
    schema = VariableSchema(numeric=("age",), categorical=())
    with pytest.raises(ModelError, match="at least 2 clinical variables, but 1"):
        build_network(fusion="xattn", schema=schema, config=small_config(), target_mean=0.9, target_sd=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fusion": "xatn"}, "did you mean 'xattn'"),
        ({"target_sd": 0.0}, "positive SD"),
        ({"target_mean": float("nan")}, "finite mean"),
        ({"config": small_config(heads=3)}, "multiple of the heads"),
        ({"config": small_config(layers=0)}, "at least 1 layer"),
        ({"config": small_config(width=18, heads=2)}, "multiple of 4"),
        ({"schema": VariableSchema(numeric=(), categorical=()), "fusion": "concat"}, "at least 1 clinical variable"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    fitting = {"fusion": "xattn", "schema": SCHEMA, "config": small_config(), "target_mean": 0.9, "target_sd": 0.1}
    with pytest.raises(ModelError, match=message):
        build_network(**(fitting | changes))
