import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from tests.contracts.made_up import SCHEMA, made_network, made_patients, rows
from xattn_bmd.config import ModelConfig
from xattn_bmd.errors import ModelError
from xattn_bmd.models.fusions import FUSIONS
from xattn_bmd.models.network import build_network

CONVOLUTIONAL = ("test_resnet", "test_efficientnet", "test_convnext", "test_byobnet")
seeing = pytest.mark.parametrize("fusion", [name for name, kind in FUSIONS.items() if kind.uses_image])


def made(fusion="xattn", backbone="test_resnet", **changes):
    return made_network(fusion, backbone, mask_head="unet", mask_width=4, **changes)


@pytest.mark.parametrize("backbone", CONVOLUTIONAL)
def test_a_mask_for_each_patient_alone_and_in_any_batch(backbone):
    network, (image, variables) = made(backbone=backbone), made_patients()
    with torch.no_grad():
        together = network(image, variables, with_mask=True)
        alone = torch.cat([network(image[[b]], rows(variables, [b]), with_mask=True).mask for b in range(5)])
    assert together.mask.shape == (5, 1, 64, 64)
    assert together.mask.dtype == torch.float32
    torch.testing.assert_close(alone, together.mask, atol=1e-5, rtol=0)


@seeing
def test_every_fusion_predicts_the_same_density_with_the_mask_as_without(fusion):
    network, patients = made(fusion), made_patients()
    with torch.no_grad():
        plain, both = network(*patients), network(*patients, with_mask=True)
    assert plain.mask is None
    torch.testing.assert_close(both.density, plain.density, atol=1e-6, rtol=0)
    assert (both.attention is None) == (plain.attention is None)


@seeing
def test_the_twin_without_a_mask_head_begins_with_the_same_weights(fusion):
    twin, both = made_network(fusion, image_dropout=0.2), made(fusion, image_dropout=0.2)
    ours = both.state_dict()
    assert {name for name in ours if name not in twin.state_dict()} == {
        name for name in ours if name.startswith("mask_head.")
    }
    assert all(torch.equal(value, ours[name]) for name, value in twin.state_dict().items())


def test_metadata_only_has_none():
    assert made("metadata_only").mask_head is None


@pytest.mark.parametrize("freeze", ["none", "layer3", "trunk"])
def test_the_mask_teaches_decoder_and_what_of_the_encoder_is_not_frozen(freeze):
    torch.manual_seed(0)
    config = ModelConfig(backbone="test_resnet", width=16, heads=2, freeze=freeze, mask_head="unet", mask_width=4)
    network = build_network(
        fusion="image_only", schema=SCHEMA, config=config, target_mean=0.88, target_sd=0.147, weights_follow=True
    ).train()
    image, variables = made_patients(4)
    network(image, variables, with_mask=True).mask.square().mean().backward()
    reached = {name for name, value in network.named_parameters() if value.grad is not None and value.grad.any()}
    assert {name.split(".")[1] for name in reached if name.startswith("mask_head.")} == {"decoder", "last"}
    trunk = {name for name in reached if name.startswith("image_encoder.trunk.")}
    expected = {"none": {"layer1", "layer4"}, "layer3": {"layer4"}, "trunk": set()}[freeze]
    found = {part for part in ("layer1", "layer4") if any(f".{part}." in name for name in trunk)}
    assert found == expected
    assert not any(name.startswith(("fusion.", "head.")) for name in reached)


def test_every_map_of_the_trunk_reaches_the_mask():
    network, (image, _) = made(), made_patients(2)
    maps = [part.detach().requires_grad_() for part in network.image_encoder.maps(image)]
    network.mask_head(image, maps).square().sum().backward()
    assert [bool(part.grad.any()) for part in maps] == [True] * 5


def test_a_trunk_of_one_scale_is_refused():
    with pytest.raises(ModelError, match=r"ever coarser scale, but those of 'test_vit' have the strides 16, 16"):
        made(backbone="test_vit")


def test_a_mask_asked_of_a_network_without_a_head_is_refused():
    with pytest.raises(ModelError, match="mask_head='unet'"):
        made_network("concat")(*made_patients(), with_mask=True)
    with pytest.raises(ModelError, match="mask_head='unet'"):
        made_network("metadata_only").segment(made_patients()[0])
    with pytest.raises(ModelError, match="none was given"):
        made()(None, made_patients()[1], with_mask=True)


def test_saved_and_loaded_head_finds_the_same(tmp_path):
    network, (image, _) = made(), made_patients()
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, tmp_path / "n.safetensors")
    other = made(seed=7)
    other.load_state_dict(load_file(tmp_path / "n.safetensors"))
    torch.testing.assert_close(other.segment(image), network.segment(image), atol=0, rtol=0)


def test_exported_network_segments_the_same():
    class Segmenter(torch.nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, image):
            return self.network.segment(image)

    network, (image, _) = made(), made_patients(4)
    patients = torch.export.Dim("patients", min=1, max=64)
    program = torch.export.export(Segmenter(network), (image,), dynamic_shapes=[{0: patients}])
    other, _ = made_patients(7, seed=5)
    torch.testing.assert_close(program.module()(other), network.segment(other), atol=1e-5, rtol=0)


def test_it_learns_to_find_a_bright_square():
    torch.manual_seed(0)
    mask = torch.zeros(8, 1, 64, 64)
    for k in range(8):
        mask[k, :, 4 * k : 4 * k + 20, 30 - 2 * k : 54 - 2 * k] = 1
    image = 0.3 * torch.rand(8, 1, 64, 64) + 0.6 * mask
    network = made("image_only").train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    from xattn_bmd.losses.mask import mask_loss

    _, variables = made_patients(8)
    for _ in range(40):
        optimizer.zero_grad()
        mask_loss(network(image, variables, with_mask=True).mask, mask, torch.ones(8) > 0).backward()
        optimizer.step()
    found = network.train()(image, variables, with_mask=True).mask > 0
    assert (2 * (found & (mask > 0)).sum() / (found.sum() + mask.sum())) > 0.9


def test_channels_double_with_every_step_down():
    network = made(backbone="test_resnet")
    widths = [block.conv2[0].out_channels for block in network.mask_head.decoder.blocks]
    assert widths == [64, 32, 16, 8, 4]
    assert len(timm.create_model("test_resnet").feature_info) == 5
