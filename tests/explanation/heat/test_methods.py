"""One contract over all heat methods, and an independent computation for each."""

import pytest
import torch

from xattn_bmd.config import ModelConfig
from xattn_bmd.errors import ModelError
from xattn_bmd.explanation.heat.attention import attention_maps
from xattn_bmd.explanation.heat.example import example
from xattn_bmd.explanation.heat.grad_cam import grad_cam
from xattn_bmd.explanation.heat.grad_cam_plus_plus import plus_plus_heat
from xattn_bmd.explanation.heat.hirescam import fine_layer, hirescam
from xattn_bmd.explanation.heat.integrated_gradients import integrated_gradients, mean_grey
from xattn_bmd.explanation.heat.methods import METHODS, method_named
from xattn_bmd.explanation.heat.occlusion import occlusion
from xattn_bmd.explanation.heat.seen import Seen, stored_map
from xattn_bmd.models.image import ImageEncoder
from xattn_bmd.models.network import build_network
from xattn_bmd.types import Variables, VariableSchema

SCHEMA = VariableSchema(numeric=("age", "bmi"), categorical=())


def _built(**settings):
    torch.manual_seed(1)
    config = ModelConfig(backbone="test_resnet", width=16, layers=2, heads=2, **settings)
    built = build_network(
        fusion="xattn", schema=SCHEMA, config=config, target_mean=0.88, target_sd=0.147, weights_follow=True
    )
    return built.eval()


def _first(seen):
    return Seen(seen.image[:1], Variables(*(part[:1] for part in seen.variables)))


@pytest.mark.parametrize("name", METHODS)
def test_heat_is_finite_and_of_one_radiograph_alone(name):
    network, seen = example()
    heat, alone = METHODS[name](network, seen), METHODS[name](network, _first(seen))
    assert heat.ndim == 3 and len(heat) == 2 and heat.dtype == torch.float32
    assert torch.isfinite(heat).all() and float(heat.abs().max()) > 0
    torch.testing.assert_close(heat[:1], alone, rtol=1e-3, atol=1e-7)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_grad_cam_is_the_mean_gradient_times_the_map():
    network, seen = example()
    with torch.no_grad():
        last = network.image_encoder.features(seen.image)
    last = last.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network(None, seen.variables, last).density.sum(), last)
    expected = (gradient.mean((2, 3), keepdim=True) * last).sum(1)
    torch.testing.assert_close(grad_cam(network, seen), expected.detach(), rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("freeze", ["none", "trunk", "layer3"])
def test_hirescam_is_the_gradient_at_the_fine_map_times_its_difference_from_an_empty_picture(freeze):
    network, (_, seen) = _built(freeze=freeze), example()
    trunk = network.image_encoder.trunk
    maps = {}
    for name, image in (("shown", seen.image), ("empty", mean_grey(seen.image))):
        grey = (image - network.image_encoder.grey_mean) / network.image_encoder.grey_sd
        stem = trunk.maxpool(trunk.act1(trunk.bn1(trunk.conv1(grey))))
        maps[name] = trunk.layer2(trunk.layer1(stem)).detach().requires_grad_()
    last = trunk.layer4(trunk.layer3(maps["shown"])) if freeze != "layer3" else trunk.layer3(maps["shown"])
    (gradient,) = torch.autograd.grad(network(None, seen.variables, last).density.sum(), maps["shown"])
    expected = (gradient * (maps["shown"] - maps["empty"])).sum(1)
    torch.testing.assert_close(hirescam(network, seen), expected.detach(), rtol=1e-4, atol=1e-8)


def test_hirescam_adds_up_to_a_small_change_from_the_mean_grey():
    network, seen = example()
    faint = Seen(0.5 + 0.01 * (seen.image - 0.5), seen.variables)
    with torch.no_grad():
        ends = [network(image, faint.variables).density for image in (faint.image, mean_grey(faint.image))]
    torch.testing.assert_close(hirescam(network, faint).sum((1, 2)), ends[0] - ends[1], rtol=2e-2, atol=0)


@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet", "test_vit"])
def test_hirescam_takes_the_stage_of_eight_pixels_where_there_is_one(backbone):
    encoder = ImageEncoder(backbone=backbone, weights="none", width=16)
    layer, into = fine_layer(encoder)
    assert into == (layer is encoder.project) == (backbone == "test_vit")
    made = []
    layer.register_forward_hook(lambda _layer, given, output: made.append(given[0] if into else output))
    encoder(torch.rand(1, 1, 160, 160))
    last = encoder.features(torch.rand(1, 1, 160, 160)).shape[-2:]
    assert made[0].shape[-2:] == (last if into else (20, 20))


@pytest.mark.parametrize("freeze", ["trunk", "layer3"])
@pytest.mark.parametrize("name", ["grad_cam", "grad_cam_plus_plus", "attention"])
def test_a_stored_map_gives_the_same_heat_without_the_trunk(name, freeze):
    network, (_, seen) = _built(freeze=freeze), example()
    features = stored_map(network, seen.image)
    assert features is not None
    blind = Seen(torch.full_like(seen.image, torch.nan), seen.variables, features)
    torch.testing.assert_close(METHODS[name](network, blind), METHODS[name](network, seen), rtol=1e-4, atol=1e-8)


def test_heat_turns_its_sign_with_the_answer():
    network, seen = example()
    before = {name: METHODS[name](network, seen) for name in ("hirescam", "grad_cam", "grad_cam_plus_plus")}
    with torch.no_grad():
        network.head.mlp[-1].weight.neg_()
    for name, heat in before.items():
        torch.testing.assert_close(METHODS[name](network, seen), -heat, rtol=1e-3, atol=1e-8)


def test_plus_plus_is_grad_cam_for_a_small_gradient_and_not_for_a_large_one():
    generator = torch.Generator().manual_seed(0)
    last, gradient = (torch.rand(1, 4, 3, 3, generator=generator) - shift for shift in (0.0, 0.5))
    cam = (gradient.mean((2, 3), keepdim=True) * last).sum(1)
    torch.testing.assert_close(plus_plus_heat(last, 1e-4 * gradient) / 1e-4, 4.5 * cam, rtol=1e-2, atol=1e-3)
    large = plus_plus_heat(last, 10 * gradient)
    assert torch.corrcoef(torch.stack([large.flatten(), cam.flatten()]))[0, 1] < 0.999


def test_integrated_gradients_add_up_to_the_change_from_the_mean_grey():
    network, seen = example()
    with torch.no_grad():
        ends = [network(image, seen.variables).density for image in (seen.image, mean_grey(seen.image))]
    total = integrated_gradients(network, seen, steps=64).sum((1, 2))
    torch.testing.assert_close(total, ends[0] - ends[1], rtol=0.1, atol=1e-5)


def test_one_window_over_all_is_the_answer_minus_that_of_the_mean_grey():
    network, seen = example()
    with torch.no_grad():
        ends = [network(image, seen.variables).density for image in (seen.image, mean_grey(seen.image))]
    heat = occlusion(network, seen, window=1)
    torch.testing.assert_close(heat, (ends[0] - ends[1])[:, None, None].expand_as(heat), rtol=1e-3, atol=1e-7)


def test_attention_maps_share_each_variables_reading_out_over_the_grid():
    network, seen = example()
    maps = attention_maps(network, seen)
    assert maps.shape == (2, 2, 2, 2, 2)
    torch.testing.assert_close(maps.sum((3, 4)), torch.ones(2, 2, 2))
    attention = network(seen.image, seen.variables).attention
    first = sum(w * attention.variables_to_image[0, layer, 1, 0] for layer, w in enumerate(attention.layer_weight))
    torch.testing.assert_close(maps[0, 0, 1].flatten(), first.detach())


@pytest.mark.parametrize("fusion", ["concat", "image_to_record", "image_only"])
def test_attention_maps_of_a_model_without_attention_are_refused(fusion):
    with pytest.raises(ModelError, match=r"no such attention; choose method hirescam"):
        attention_maps(*example(fusion))


def test_low_density_needs_a_head_that_says_how_sure_it_is():
    with pytest.raises(ModelError, match=r"has the head 'point'.*explain density"):
        grad_cam(*example(), target="low_density", threshold=0.9)
    network, (_, seen) = _built(head="gaussian"), example()
    with torch.no_grad():
        network.head.mlp[-1].weight.mul_(20)
    low, density = grad_cam(network, seen, target="low_density", threshold=0.5), grad_cam(network, seen)
    similar = torch.cosine_similarity(low.flatten(1), density.flatten(1))
    assert torch.isfinite(low).all() and float(similar.abs().min()) < 0.9999  # not the density with the other sign


def test_unknown_names_are_refused():
    with pytest.raises(ModelError, match=r"'gradcam' was given; did you mean 'grad_cam'"):
        method_named("gradcam")
    with pytest.raises(ModelError, match=r"one of density, low_density, but 't' was asked for"):
        grad_cam(*example(), target="t")
