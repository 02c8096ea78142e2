import pytest
import torch

from xattn_bmd.config import ModelConfig
from xattn_bmd.errors import ModelError
from xattn_bmd.models.image import ImageEncoder, grid_position
from xattn_bmd.models.network import build_network, frozen_names
from xattn_bmd.types import Variables, VariableSchema

SCHEMA = VariableSchema(numeric=("age", "bmi"), categorical=())


@pytest.mark.parametrize(
    "backbone", ["test_resnet", "resnet10t", "lcnet_050", "mobilenetv4_conv_small_035", "test_vit"]
)
def test_any_backbone_gives_tokens_of_the_grid(backbone):
    tokens = ImageEncoder(backbone=backbone, weights="none", width=16)(torch.rand(2, 1, 64, 96))
    assert tokens.shape[0] == 2 and tokens.shape[1] in (6, 24) and tokens.shape[2] == 16


def test_no_parameter_is_dead_weight():
    encoder = ImageEncoder(backbone="test_efficientnet", weights="none", width=16)
    encoder(torch.rand(2, 1, 64, 64)).pow(2).sum().backward()
    assert [name for name, value in encoder.named_parameters() if value.grad is None] == []


def test_channels_last_gives_the_same_tokens():
    encoder, image = ImageEncoder(backbone="test_resnet", weights="none", width=16).eval(), torch.rand(2, 1, 64, 64)
    expected = encoder(image)
    torch.testing.assert_close(encoder.to(memory_format=torch.channels_last)(image), expected, atol=1e-5, rtol=0)


def test_grey_levels_are_standardised_as_the_published_weights_expect():
    encoder = ImageEncoder(backbone="resnet10t", weights="none", width=16)
    assert float(encoder.grey_mean) == pytest.approx(0.449, abs=1e-3)
    assert float(encoder.grey_sd) == pytest.approx(0.226, abs=1e-3)


def test_every_place_of_the_grid_has_its_own_code_row_by_row():
    code = grid_position(5, 7, depth=16)
    assert torch.cdist(code, code).fill_diagonal_(9).min() > 0.1
    torch.testing.assert_close(code[0, :8], code[6, :8])  # same row, same first half
    torch.testing.assert_close(code[0, 8:], code[7, 8:])  # same column, same second half


@pytest.mark.parametrize(
    ("backbone", "message"),
    [("resnet43", "did you mean .*resnet34"), ("!", "did you mean resnet34"), ("hf-hub:someone/net", "name of a timm")],
)
def test_unknown_backbone_is_refused_with_the_nearest_names(backbone, message):
    with pytest.raises(ModelError, match=message):
        ImageEncoder(backbone=backbone, weights="none", width=16)


def test_image_too_small_for_two_patches_is_refused():
    encoder = ImageEncoder(backbone="test_resnet", weights="none", width=16).eval()
    with pytest.raises(ModelError, match="at least 2 patches, but this one gave 1"):
        encoder(torch.rand(1, 1, 32, 32))


def test_frozen_trunk_keeps_weights_and_statistics_while_the_rest_trains():
    torch.manual_seed(0)
    encoder = ImageEncoder(backbone="test_resnet", weights="none", width=16, freeze="trunk").train()
    before = {name: value.clone() for name, value in encoder.trunk.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=0.1)
    projected = encoder.project.weight.detach().clone()
    encoder(torch.rand(4, 1, 64, 64)).square().sum().backward()
    optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in encoder.trunk.state_dict().items())
    assert not torch.equal(encoder.project.weight, projected)
    assert all(parameter.grad is None for parameter in encoder.trunk.parameters())


def test_a_trunk_that_is_not_frozen_does_learn():
    encoder = ImageEncoder(backbone="test_resnet", weights="none", width=16).train()
    encoder(torch.rand(4, 1, 64, 64)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.trunk.parameters())


@pytest.mark.parametrize("freeze", ["trunk", "layer3"])
def test_freezing_random_weights_is_refused_unless_weights_follow(freeze):
    config = ModelConfig(backbone="test_resnet", width=16, freeze=freeze)
    arguments = {"fusion": "concat", "schema": SCHEMA, "config": config, "target_mean": 0.9, "target_sd": 0.1}
    with pytest.raises(ModelError, match=f"weights that were trained before.*freeze='{freeze}'"):
        build_network(**arguments)
    assert build_network(**arguments, weights_follow=True).image_encoder.freeze == freeze
    assert build_network(**arguments | {"fusion": "metadata_only"}).image_encoder is None


@pytest.mark.parametrize("freeze", ["none", "trunk", "layer3"])
def test_frozen_names_are_what_a_step_of_training_leaves_alone(freeze):
    config = ModelConfig(backbone="test_resnet", width=16, layers=1, dropout=0.0, freeze=freeze)
    network = build_network(
        fusion="concat", schema=SCHEMA, config=config, target_mean=0.9, target_sd=0.1, weights_follow=True
    ).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.SGD([value for value in network.parameters() if value.requires_grad], lr=0.1)
    variables = Variables(torch.randn(4, 2), torch.zeros(4, 0, dtype=torch.int64), torch.zeros(4, 2, dtype=torch.bool))
    for _ in range(3):  # a head begins at zero, and passes a gradient on from its second step
        network(torch.rand(4, 1, 64, 64), variables).density.square().sum().backward()
        optimizer.step()
    same = {name for name, value in network.state_dict().items() if torch.equal(value, before[name])}
    in_trunk = {name for name in same if ".trunk." in name}
    assert in_trunk == frozen_names(config)
    assert bool(in_trunk) == (freeze != "none")


def test_asking_for_frozen_names_moves_no_random_state():
    torch.manual_seed(5)
    first = torch.rand(3)
    torch.manual_seed(5)
    frozen_names(ModelConfig(backbone="test_resnet", width=32, freeze="layer3"))
    assert torch.equal(torch.rand(3), first)
