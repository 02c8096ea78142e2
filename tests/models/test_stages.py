"""The last stage of a trunk, run and trained apart from the front."""

import pytest
import torch

from xattn_bmd.errors import ModelError
from xattn_bmd.models.image import ImageEncoder, build_trunk
from xattn_bmd.models.stages import front_map, last_map, last_stage, run_in_turn

FAMILIES = {
    "test_resnet": ["layer4"],
    "resnet10t": ["layer4"],
    "test_efficientnet": ["blocks.4"],
    "tf_efficientnet_lite0": ["blocks.5", "blocks.6"],
    "mobilenetv3_small_050": ["blocks.4", "blocks.5"],
    "test_convnext": ["stages.3"],
    "regnety_002": ["s4"],
    "densenet121": ["features.transition3", "features.denseblock4", "features.norm5"],
    "test_byobnet": ["stages.3", "final_conv"],
    "test_nfnet": ["stages.3", "final_conv"],
}


def encoder(backbone="test_resnet", freeze="layer3"):
    torch.manual_seed(0)
    return ImageEncoder(backbone=backbone, weights="none", width=16, freeze=freeze)


def trained_a_step(one):
    """Return the state before and after one step of training."""
    before = {name: value.clone() for name, value in one.state_dict().items()}
    optimizer = torch.optim.SGD([value for value in one.parameters() if value.requires_grad], lr=0.1)
    one.train()(torch.rand(4, 1, 64, 64)).square().sum().backward()
    optimizer.step()
    return before, one.state_dict()


@pytest.mark.parametrize("backbone", FAMILIES)
def test_front_and_rest_are_the_whole_to_the_last_bit(backbone):
    torch.manual_seed(1)
    trunk = build_trunk(backbone, weights="none").eval()
    rest = last_stage(trunk, backbone=backbone)
    assert [name for name, module in trunk.named_modules() if any(module is one for one in rest)] == FAMILIES[backbone]
    picture = torch.rand(3, 1, 96, 64)
    with torch.no_grad():
        front, whole = front_map(trunk, picture), last_map(trunk, picture)
        assert torch.equal(run_in_turn(rest, front), whole)
    assert front.shape != whole.shape or not torch.equal(front, whole)


@pytest.mark.parametrize("backbone", ["test_vit", "test_mambaout", "vgg11"])
def test_a_trunk_that_cannot_be_divided_is_refused(backbone):
    with pytest.raises(ModelError, match=f"'layer3' needs .* but '{backbone}' has none; choose a ResNet"):
        encoder(backbone)


def test_a_rest_that_computes_something_else_is_noticed(monkeypatch):
    trunk = build_trunk("test_resnet", weights="none")
    between = "xattn_bmd.models.stages._modules_between"
    monkeypatch.setattr(between, lambda *_, **__: [trunk.layer4, torch.nn.ReLU6()])
    trunk.layer4[-1].act2 = torch.nn.Identity()
    with pytest.raises(ModelError, match="layer3"):
        last_stage(trunk, backbone="test_resnet")


def test_dividing_leaves_the_mode_and_the_statistics_of_the_trunk_alone():
    trunk = build_trunk("test_resnet", weights="none").train()
    trunk.layer2.eval()
    modes = [module.training for module in trunk.modules()]
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    last_stage(trunk, backbone="test_resnet")
    assert [module.training for module in trunk.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())


@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet", "test_byobnet"])
def test_only_the_last_stage_and_what_follows_it_are_trained(backbone):
    one = encoder(backbone)
    frozen = one.frozen_names()
    before, after = trained_a_step(one)
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert not changed & frozen
    assert all(parameter.grad is None for name, parameter in one.named_parameters() if name in frozen)
    assert all(parameter.grad is not None for name, parameter in one.named_parameters() if name not in frozen)
    last = tuple(f"trunk.{name}." for name in FAMILIES[backbone])
    assert {name for name in after if name.startswith("trunk.") and not name.startswith(last)} == frozen
    assert {name for name in changed if name.endswith("running_mean")} == {
        name for name in after if name.endswith("running_mean") and name.startswith(last)
    }


def test_evaluation_mode_reaches_the_last_stage_and_training_mode_not_the_front():
    one = encoder().train()
    assert one.trunk.layer4[0].bn1.training and not one.trunk.layer3[0].bn1.training
    one.eval()
    assert not one.trunk.layer4[0].bn1.training


def test_tokens_are_those_of_the_same_trunk_without_freezing():
    one, free, image = encoder().eval(), encoder(freeze="none").eval(), torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(one(image), free(image))
        assert torch.equal(one.tokens(one.features(image)), one(image))
    assert one.state_dict().keys() == free.state_dict().keys()


def test_the_gradient_still_reaches_a_picture_that_asks_for_it():
    image = torch.rand(2, 1, 64, 64, requires_grad=True)
    encoder().eval()(image).square().sum().backward()
    assert image.grad is not None and bool((image.grad != 0).any())
