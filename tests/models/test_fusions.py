import numpy as np
import pytest
import torch

from tests.contracts.made_up import SCHEMA, given_parts, made_network, made_patients, small_config
from xattn_bmd.config import ModelConfig
from xattn_bmd.errors import ModelError
from xattn_bmd.models.attention import CrossAttention, KeysValues, KeyValueUpdater
from xattn_bmd.models.averaging import mean_estimate
from xattn_bmd.models.fusions import FUSIONS
from xattn_bmd.models.fusions.xattn import NOTHING, CrossAttentionFusion
from xattn_bmd.models.heads import HEADS, Estimate
from xattn_bmd.models.network import build_network, capacity_table, fusion_parameters
from xattn_bmd.types import VariableSchema


def tokens(seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(2, 9, 16, generator=draw), torch.rand(2, 5, 16, generator=draw)


@pytest.mark.parametrize("switch", [True, False])
@pytest.mark.parametrize(("width", "layers", "heads"), [(16, 1, 1), (64, 3, 4), (128, 3, 4), (128, 1, 8), (256, 4, 4)])
def test_every_fusion_is_within_a_tenth_of_the_parameters_of_xattn(width, layers, heads, switch):
    table = capacity_table(
        ModelConfig(width=width, layers=layers, heads=heads, key_value_updater=switch, layer_weight=switch)
    )
    assert set(table) == set(FUSIONS)
    assert all(abs(count / table["xattn"] - 1) <= 0.1 for count in table.values()), table


def test_fusion_parameters_are_those_of_the_table():
    table = capacity_table(small_config())
    assert {name: fusion_parameters(made_network(name)) for name in FUSIONS} == table


def test_parts_that_a_fusion_does_not_use_are_not_built():
    assert made_network("metadata_only", backbone="no_such_backbone").image_encoder is None
    assert made_network("image_only").variable_encoder is None


def test_metadata_only_needs_no_image():
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
    image, variables = tokens()
    torch.testing.assert_close(fusion(image, variables).attention.layer_weight, torch.full((3,), 1 / 3))
    with torch.no_grad():
        fusion.layer_logit.copy_(torch.tensor([100.0, 0.0, 0.0]))
    first_only = fusion(image, variables).vector
    with torch.no_grad():
        fusion.layers[2].image_reads.scale.fill_(9.0)
    torch.testing.assert_close(fusion(image, variables).vector, first_only)


def test_without_layer_weight_the_last_layer_alone_is_read():
    torch.manual_seed(0)
    whole = CrossAttentionFusion(small_config(layers=3)).eval()
    torch.manual_seed(0)
    last = CrossAttentionFusion(small_config(layers=3, layer_weight=False)).eval()
    learned = whole.state_dict()
    assert torch.equal(learned.pop("layer_logit"), torch.zeros(3))
    assert learned.keys() == last.state_dict().keys()
    with torch.no_grad():
        whole.layer_logit.copy_(torch.tensor([-1e4, -1e4, 0.0]))
    expected, found = whole(*tokens()), last(*tokens())
    assert torch.equal(found.vector, expected.vector)
    assert found.attention.layer_weight.tolist() == [0.0, 0.0, 1.0]


def test_without_key_value_updater_nothing_is_kept_between_layers():
    torch.manual_seed(0)
    kept = CrossAttentionFusion(small_config(layers=2)).eval()
    fresh = CrossAttentionFusion(small_config(layers=2, key_value_updater=False)).eval()
    fresh.load_state_dict(kept.state_dict())
    image, variables = tokens()
    for layer in fresh.layers:
        offered_image, offered_variables = layer.update_image(image, None), layer.update_variables(variables, None)
        image, read = layer.image_reads(image, offered_variables)[0], layer.variables_read(variables, offered_image)[0]
        variables = read
    last = fresh(*tokens())
    with torch.no_grad():
        fresh.layer_logit.copy_(torch.tensor([-1e4, 0.0]))
    pooled = torch.cat([image.mean(1), variables.mean(1)], dim=-1)
    torch.testing.assert_close(fresh(*tokens()).vector, fresh.project(fresh.norm(pooled)))
    assert not torch.equal(kept(*tokens()).vector, last.vector)
    first = kept(*tokens()).attention, last.attention
    assert torch.equal(first[0].image_to_variables[:, 0], first[1].image_to_variables[:, 0])


def test_no_other_fusion_reads_the_switches():
    off = {"key_value_updater": False, "layer_weight": False}
    for name in (
        "concat",
        "residual_concat",
        "gated",
        "film",
        "bilinear",
        "mixture",
        "late",
        "image_only",
        "metadata_only",
    ):
        torch.manual_seed(0)
        on_vector = FUSIONS[name](small_config()).eval()(*tokens()).vector
        torch.manual_seed(0)
        # as many parameters less as xattn has without its layer weights: fewer than one hidden unit
        assert torch.equal(FUSIONS[name](small_config(**off)).eval()(*tokens()).vector, on_vector)


def test_residual_cross_attention_starts_as_concatenation_and_adds_through_its_gate():
    fusion, (image, variables) = FUSIONS["residual_xattn"](small_config()).eval(), tokens()
    plain = fusion.mlp(torch.cat([image.mean(1), variables.mean(1)], dim=-1))
    torch.testing.assert_close(fusion(image, variables).vector, plain)
    with torch.no_grad():
        fusion.gate.copy_(torch.linspace(0, 1, len(fusion.gate)))
    added = fusion(image, variables).vector - plain
    torch.testing.assert_close(added, fusion.gate * fusion.attend(image, variables).vector)
    assert not added.any(dim=0)[0] and added.any(dim=0)[1:].all()


def test_residual_concat_is_a_linear_reading_of_the_pair_where_its_steps_are_closed():
    fusion, (image, variables) = FUSIONS["residual_concat"](small_config()).eval(), tokens()
    pair = torch.cat([image.mean(1), variables.mean(1)], dim=-1)
    stepped = pair + fusion.scale[0] * fusion.steps[0](pair)
    with torch.no_grad():
        fusion.layer_logit.copy_(torch.eye(len(fusion.layer_logit))[0].log())
    torch.testing.assert_close(fusion(image, variables).vector, fusion.project(fusion.norm(stepped)))
    with torch.no_grad():
        fusion.scale.zero_()
    torch.testing.assert_close(fusion(image, variables).vector, fusion.project(fusion.norm(pair)))


def test_attention_pooling_looks_at_the_same_places_whatever_the_record_says():
    fusion, (image, variables) = FUSIONS["attention_pooling"](small_config()).eval(), tokens()
    _, other = tokens(9)
    looked = []
    fusion.layers[-1].variables_read.register_forward_hook(lambda _, given, found: looked.append(found[1]))
    assert not torch.allclose(fusion(image, variables).vector, fusion(image, other).vector)
    assert torch.equal(*looked) and not torch.allclose(looked[0][0], looked[0][1])
    with torch.no_grad():
        for layer in fusion.layers:
            layer.variables_read.scale.zero_()
    pair = torch.cat([image.mean(1), variables.mean(1)], dim=-1)
    torch.testing.assert_close(fusion(image, variables).vector, fusion.project(fusion.norm(pair)))


def test_attention_behind_a_closed_gate_learns_as_soon_as_the_gate_has_moved():
    fusion = FUSIONS["residual_xattn"](small_config())
    step = torch.optim.SGD(fusion.parameters(), lr=0.1)
    moved = []
    for _ in range(2):
        before = fusion.attend.project.weight.clone()
        step.zero_grad()
        fusion(*tokens()).vector.square().mean().backward()
        step.step()
        moved.append(not torch.equal(fusion.attend.project.weight, before))
    assert moved == [False, True]


@pytest.mark.parametrize(("name", "stays"), [("image_to_record", 1), ("record_to_image", 0)])
def test_one_direction_leaves_the_other_sides_tokens_as_they_came(name, stays):
    torch.manual_seed(0)
    fusion = FUSIONS[name](small_config())
    given = tokens()
    updated = fusion.layers[0](*given, NOTHING)
    assert updated[stays] is given[stays]
    assert not torch.equal(updated[1 - stays], given[1 - stays])
    assert updated[2][stays] is not None and updated[2][1 - stays] is None


def test_one_variable_is_enough_where_variables_read():
    schema = VariableSchema(numeric=("age",), categorical=())
    fusion = FUSIONS["record_to_image"](small_config())
    assert fusion(torch.rand(2, 9, 16), torch.rand(2, 1, 16)).vector.shape == (2, 16)
    given = {"schema": schema, "config": small_config(), "target_mean": 0.9, "target_sd": 0.1}
    build_network(fusion="record_to_image", **given)
    with pytest.raises(ModelError, match="at least 2 clinical variables"):
        build_network(fusion="image_to_record", **given)


def test_an_open_gate_lets_one_side_through():
    fusion, (image, variables), (image_2, variables_2) = FUSIONS["gated"](small_config()).eval(), tokens(), tokens(9)
    for bias, kept in ((100.0, (image, variables_2)), (-100.0, (image_2, variables))):
        with torch.no_grad():
            fusion.gate.bias.fill_(bias)
        one = fusion(image, variables).vector
        torch.testing.assert_close(fusion(*kept).vector, one)
        assert not torch.allclose(fusion(image_2, variables_2).vector, one)


def test_gate_mixes_each_channel_by_its_own_share():
    fusion, (image, variables) = FUSIONS["gated"](small_config()).eval(), tokens()
    x, y = fusion.norm(image.mean(1)), fusion.norm(variables.mean(1))
    share = torch.special.expit(fusion.gate(torch.cat([x, y], dim=-1)))
    expected = torch.lerp(fusion.record(y).tanh(), fusion.image(x).tanh(), share)
    torch.testing.assert_close(fusion(image, variables).vector, fusion.project(expected))


def test_film_scales_and_shifts_every_channel_before_pooling():
    fusion, (image, variables) = FUSIONS["film"](small_config()).eval(), tokens()
    linear = fusion.record[-1]
    hidden = linear.out_features // 2
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.copy_(torch.cat([torch.full((hidden,), -1.0), torch.linspace(-2, 2, hidden)]))
    shift_alone = fusion(image, variables).vector
    expected = fusion.project(torch.nn.functional.gelu(torch.linspace(-2, 2, hidden)))
    torch.testing.assert_close(shift_alone, expected.expand(2, -1))
    with torch.no_grad():
        linear.bias.zero_()
    plain = fusion.project(torch.nn.functional.gelu(fusion.image(image)).mean(1))
    torch.testing.assert_close(fusion(image, variables).vector, plain)


def test_film_sees_patches_that_the_mean_hides():
    (image, variables), other = tokens(), 2 * tokens()[0].mean(1, keepdim=True) - tokens()[0]
    for name, sees in (("film", True), ("concat", False)):
        fusion = FUSIONS[name](small_config()).eval()
        close = torch.allclose(fusion(image, variables).vector, fusion(other, variables).vector, atol=1e-5)
        assert close != sees


def interaction(name):
    """Return how far the record's effect on the density depends on the image, g/cm²."""
    network, images, records = made_network(name), *zip(made_patients(), made_patients(seed=9), strict=True)
    with torch.no_grad():
        (a, b), (c, d) = ([network(image, record).density for record in records] for image in images)
    return (a - b - c + d).abs().max().item()


def test_late_fusion_alone_has_no_interaction():
    assert interaction("late") < 5e-7  # single precision
    both = [name for name, kind in FUSIONS.items() if kind.uses_image and kind.uses_variables and name != "late"]
    assert all(interaction(name) > 1e-5 for name in both)


@pytest.mark.parametrize("head", HEADS)
def test_late_fusion_is_the_mean_of_what_the_head_says_of_each(head):
    network, (image, variables) = made_network("late", head=head), made_patients()
    fused = network.fusion(network.image_encoder(image), network.variable_encoder(variables))
    said = mean_estimate(network.head(fused.vector), network.head(fused.second))
    output = network(image, variables)
    for name, part in given_parts(output).items():
        assert torch.equal(part, getattr(said, name))
    single = network.head(fused.vector).density
    assert not torch.allclose(single, output.density)


def test_mean_of_two_gaussian_estimates_is_their_mixture():
    means, sds = torch.tensor([[0.80, 0.95], [0.90, 0.94]]), torch.tensor([[0.05, 0.10], [0.03, 0.11]])
    found = mean_estimate(*(Estimate(mean, sd=sd) for mean, sd in zip(means, sds, strict=True)))
    draw = np.random.default_rng(0).normal(size=(2, 2, 400_000)) * sds.numpy()[..., None] + means.numpy()[..., None]
    both = np.concatenate(draw, axis=-1)
    np.testing.assert_allclose(found.density, both.mean(-1), atol=5e-4)
    np.testing.assert_allclose(found.sd, both.std(-1), atol=5e-4)
    assert found.quantiles is None


def test_mean_of_two_quantile_estimates_stays_in_order():
    parts = [torch.tensor([[0.7, 0.8, 0.95]]), torch.tensor([[0.6, 0.9, 1.0]])]
    found = mean_estimate(*(Estimate(part[:, 1], quantiles=part) for part in parts))
    torch.testing.assert_close(found.quantiles, torch.tensor([[0.65, 0.85, 0.975]]))
    assert torch.equal(found.density, found.quantiles[:, 1]) and found.sd is None


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
