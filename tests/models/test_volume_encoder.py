"""The image encoder on CT volumes: tokens, positions, frozen parts, weights, and what cannot be built."""

import builtins

import pytest
import torch
from safetensors.torch import save_file

from xattn_bmd.config import ModelConfig
from xattn_bmd.errors import ModelError
from xattn_bmd.models.image import ImageEncoder, volume_position
from xattn_bmd.models.layout import channels_last
from xattn_bmd.models.network import build_network
from xattn_bmd.models.volume_trunk import VOLUME_BACKBONES, VolumeTrunk
from xattn_bmd.types import VariableSchema


def encoder(backbone, **changes):
    torch.manual_seed(0)
    return ImageEncoder(**{"backbone": backbone, "weights": "none", "width": 16} | changes).eval()


def test_slices_seen_alone_give_the_tokens_of_single_pictures_but_for_their_position():
    network, volume = encoder("test_resnet"), torch.rand(2, 3, 64, 64)
    network.position_scale.data.zero_()
    tokens = network(volume)
    assert tokens.shape == (2, 3 * 4, 16)
    for number in range(3):
        torch.testing.assert_close(
            tokens[:, 4 * number : 4 * number + 4], network(volume[:, [number]]), atol=1e-6, rtol=0
        )


def test_tokens_lie_slice_by_slice_row_by_row_and_say_where():
    network = encoder("densenet_small_3d")
    code = volume_position(2, 4, 6, depth=16)
    tokens = network.last_tokens(torch.zeros(1, 80, 2, 4, 6))
    same = network.norm(network.project.bias)
    torch.testing.assert_close(tokens[0], same + network.position_scale * code)
    grid = code.reshape(2, 4, 6, 16)
    assert len(torch.unique(code, dim=0)) == 48
    for axis, part in enumerate((slice(0, 4), slice(4, 8), slice(8, 12))):
        others = [side for side in range(3) if side != axis]
        assert torch.equal(grid[..., part].amin(dim=others), grid[..., part].amax(dim=others))
        assert not torch.equal(grid[..., part].amin(dim=axis), grid[..., part].amax(dim=axis))
    assert (code[:, 12:] == 0).all()


def test_the_code_of_a_place_by_hand():
    code = volume_position(3, 2, 2, depth=8)[-1]
    two, one = torch.tensor(2.0), torch.tensor(1.0)
    expected = torch.stack([two.sin(), two.cos(), one.sin(), one.cos(), one.sin(), one.cos()])
    torch.testing.assert_close(code, torch.cat([expected, torch.zeros(2)]))


@pytest.mark.parametrize("backbone", ["densenet_small_3d", "test_resnet"])
def test_stored_maps_give_the_same_tokens(backbone):
    network, volume = encoder(backbone, freeze="trunk"), torch.rand(2, 8, 32, 64)
    features = network.features(volume)
    assert features.ndim == 5
    torch.testing.assert_close(network.tokens(features), network(volume), atol=0, rtol=0)
    assert not any(value.requires_grad for value in network.trunk.parameters())


def test_the_last_stage_alone_can_be_trained_on_slices():
    network, volume = encoder("test_resnet", freeze="layer3"), torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(network(volume), encoder("test_resnet")(volume), atol=1e-6, rtol=0)
    with pytest.raises(ModelError, match="freeze='layer3' needs a trunk whose last stage can be run alone"):
        encoder("densenet_small_3d", freeze="layer3")


def test_monais_densenet121_is_the_source_networks_trunk():
    from monai.networks.nets import DenseNet121

    trunk, theirs = VolumeTrunk("densenet121_3d"), DenseNet121(spatial_dims=3, in_channels=1, out_channels=1)
    trunk.layers.load_state_dict(theirs.features.state_dict())
    assert trunk.stride == 32 and trunk.feature_info[-1]["num_chs"] == theirs.class_layers.out.in_features


@pytest.mark.parametrize("backbone", VOLUME_BACKBONES)
def test_channels_and_stride_are_those_of_the_map(backbone):
    trunk = channels_last(VolumeTrunk(backbone)).eval()
    side = trunk.stride
    with torch.no_grad():
        made = trunk(torch.rand(1, 1, side, 2 * side, side + 3))
    assert made.shape == (1, trunk.feature_info[-1]["num_chs"], 1, 2, 1)
    assert (made >= 0).all()
    with pytest.raises(ModelError, match=f"at least {side} slices, rows and columns, but {side - 1} x"):
        trunk(torch.rand(1, 1, side - 1, side, side))


def test_weights_come_from_a_file_and_from_nowhere_else(tmp_path):
    trained = encoder("densenet_small_3d")
    save_file(
        {name: value.contiguous() for name, value in trained.trunk.state_dict().items()}, tmp_path / "own.safetensors"
    )
    torch.manual_seed(9)
    loaded = ImageEncoder(backbone="densenet_small_3d", weights=str(tmp_path / "own.safetensors"), width=16)
    for name, value in trained.trunk.state_dict().items():
        assert torch.equal(loaded.trunk.state_dict()[name], value)
    for weights, rule in {"pretrained": "Packages with", "bone": "weights 'bone'", "hub": "has none"}.items():
        with pytest.raises(ModelError, match=rule):
            encoder("densenet_small_3d", weights=weights)


def test_what_cannot_be_built_is_refused(monkeypatch):
    with pytest.raises(ModelError, match="did you mean densenet121_3d"):
        encoder("densenet12_3d")
    with pytest.raises(ModelError, match="token width of a volume is at least 8, but 4 was given"):
        encoder("test_resnet", width=4)(torch.rand(1, 3, 64, 64))
    schema = VariableSchema(numeric=("age", "bmi"), categorical=())
    config = ModelConfig(backbone="densenet_small_3d", width=16, mask_head="unet")
    with pytest.raises(ModelError, match="mask head draws on radiographs"):
        build_network(fusion="concat", schema=schema, config=config, target_mean=0.0, target_sd=1.0)
    real = builtins.__import__

    def without_monai(name, *rest):
        if name.startswith("monai"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_monai)
    with pytest.raises(ModelError, match=r"pip install 'xattn-bmd\[ct\]'"):
        encoder("densenet_small_3d")
