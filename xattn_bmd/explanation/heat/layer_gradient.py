"""A feature map inside a network, and how the answer changes with it.

Axes: ``B`` radiographs, ``C, h, w`` channels, rows and columns of the map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xattn_bmd.explanation.heat.seen import Answer
from xattn_bmd.types import Variables


def map_at(answer: Answer, layer: nn.Module, looked_at: Tensor, variables: Variables, *, into: bool) -> Tensor:
    """Return the map ``(B, C, h, w)`` that goes into a layer, or comes out of it; gradients can flow from it.

    Args:
        answer: the network and what of it is explained.
        layer: a part of the network.
        looked_at: pictures or stored maps.
        variables: the encoded record of the same radiographs.
        into: True for what goes in, False for what comes out.
    """
    return _run(answer, layer, looked_at, variables, into=into)[0]


def map_and_gradient(
    answer: Answer, layer: nn.Module, looked_at: Tensor, variables: Variables, *, into: bool
) -> tuple[Tensor, Tensor]:
    """Return the map ``(B, C, h, w)`` and the gradient of the answer at it; arguments as in :func:`map_at`."""
    with torch.enable_grad():
        found, said = _run(answer, layer, looked_at.detach().requires_grad_(), variables, into=into)
        (gradient,) = torch.autograd.grad(said.sum(), found)
    return found.detach(), gradient


def _run(
    answer: Answer, layer: nn.Module, looked_at: Tensor, variables: Variables, *, into: bool
) -> tuple[Tensor, Tensor]:
    passed: list[Tensor] = []
    watch = (
        layer.register_forward_pre_hook(lambda _layer, inputs: passed.append(inputs[0]))
        if into
        else layer.register_forward_hook(lambda _layer, _inputs, output: passed.append(output))
    )
    try:
        said = answer(looked_at, *variables)
    finally:
        watch.remove()
    return passed[0], said
