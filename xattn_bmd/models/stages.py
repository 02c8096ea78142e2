"""A trunk in two parts, so that the last stage alone can be trained: the front, and the rest up to the last map.

Axes: ``B`` patients, ``H, W`` rows and columns of the picture, ``h, w`` of a feature map, ``C`` channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from xattn_bmd.errors import ModelError

_PROBE_SIDE = 64  # twice the stride of the last stage


def last_map(trunk: Any, image_BCHW: Tensor) -> Tensor:  # noqa: ANN401
    """Return a trunk's last feature map ``(B, C, h, w)``.

    Args:
        trunk: a timm model.
        image_BCHW: standardised grey levels.
    """
    return _map_of(trunk, image_BCHW, stage=-1)


def front_map(trunk: Any, image_BCHW: Tensor) -> Tensor:  # noqa: ANN401
    """Return a trunk's feature map ``(B, C, h, w)`` of the stage before the last; the rest is not computed.

    Args:
        trunk: a timm model.
        image_BCHW: standardised grey levels.
    """
    return _map_of(trunk, image_BCHW, stage=-2)


def all_maps(trunk: Any, image_BCHW: Tensor) -> list[Tensor]:  # noqa: ANN401
    """Return a trunk's feature maps ``(B, C, h, w)``, finest first.

    Args:
        trunk: a timm model.
        image_BCHW: standardised grey levels.
    """
    maps: list[Tensor] = trunk.forward_intermediates(image_BCHW, intermediates_only=True)
    return maps


def last_stage(trunk: Any, *, backbone: str) -> tuple[nn.Module, ...]:  # noqa: ANN401
    """Return the trunk's own modules between the map of the stage before the last and the last map, in order.

    timm names the module that gives each map, and registers a trunk's modules in the order in which it runs them.  That
    the maps lie on that path is not promised, so the two parts are run once on a small random picture: they must give
    the whole trunk's last map to the last bit.

    Args:
        trunk: a timm model for one grey channel, cut down to what its last map needs.
        backbone: its name, for the error.

    Returns:
        modules that are shared with the trunk, not copied: ``layer4`` of a ResNet.

    Raises:
        ModelError: if the trunk cannot be divided there.

    Example:
        >>> import timm
        >>> trunk = timm.create_model("test_resnet", in_chans=1, num_classes=0)
        >>> last_stage(trunk, backbone="test_resnet") == (trunk.layer4,)
        True
    """
    names = [stage["module"] for stage in trunk.feature_info]
    rest = tuple(_modules_between(trunk, after=names[-2], until=names[-1]))
    if not (_learns(rest) and _gives_the_same(trunk, rest)):
        raise ModelError(
            f"freeze='layer3' needs a trunk whose last stage can be run alone, but {backbone!r} has none; choose a "
            "ResNet, RegNet, EfficientNet, MobileNet or ConvNeXt, or freeze='trunk'."
        )
    return rest


def run_in_turn(modules: Iterable[nn.Module], map_BChw: Tensor) -> Tensor:
    """Return what modules make of a map, one after the other."""
    for module in modules:
        map_BChw = module(map_BChw)
    return map_BChw


def _map_of(trunk: Any, image_BCHW: Tensor, *, stage: int) -> Tensor:  # noqa: ANN401
    map_BChw: Tensor
    [map_BChw] = trunk.forward_intermediates(image_BCHW, indices=[stage], stop_early=True, intermediates_only=True)
    return map_BChw


def _modules_between(trunk: nn.Module, *, after: str, until: str) -> Iterator[nn.Module]:
    """Yield the modules behind ``after`` up to ``until``: its younger siblings, then its parent's, and so on."""
    while after:
        parent, _, name = after.rpartition(".")
        children = list(trunk.get_submodule(parent).named_children())
        place = [child for child, _ in children].index(name)
        for sibling, module in children[place + 1 :]:
            yield module
            if f"{parent}.{sibling}".lstrip(".") == until:
                return
        after = parent


def _learns(modules: Iterable[nn.Module]) -> bool:
    return any(True for module in modules for _ in module.parameters())


def _gives_the_same(trunk: nn.Module, rest: tuple[nn.Module, ...]) -> bool:
    training = {module: module.training for module in trunk.modules()}
    picture = torch.rand(1, 1, _PROBE_SIDE, _PROBE_SIDE, generator=torch.Generator().manual_seed(0))
    trunk.eval()
    try:
        with torch.no_grad():
            return torch.equal(run_in_turn(rest, front_map(trunk, picture)), last_map(trunk, picture))
    except Exception:  # a stage that is fed what another layout gives fails in its own way
        return False
    finally:
        for module, mode in training.items():
            module.training = mode
