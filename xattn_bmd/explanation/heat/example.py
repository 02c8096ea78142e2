"""A tiny network and two pictures for the examples in docstrings."""

from __future__ import annotations

import torch

from xattn_bmd.config import ModelConfig
from xattn_bmd.explanation.heat.seen import Seen
from xattn_bmd.models.network import FusionNetwork, build_network
from xattn_bmd.types import Variables, VariableSchema


def example(fusion: str = "xattn") -> tuple[FusionNetwork, Seen]:
    """Return an untrained network of two variables, and two random pictures of 64 pixels.

    Args:
        fusion: name of the fusion.
    """
    torch.manual_seed(0)
    network = build_network(
        fusion=fusion,
        schema=VariableSchema(numeric=("age", "bmi"), categorical=()),
        config=ModelConfig(backbone="test_resnet", width=16, layers=2, heads=2),
        target_mean=0.88,
        target_sd=0.147,
    ).eval()
    codes, missing = torch.zeros(2, 0, dtype=torch.int64), torch.zeros(2, 2, dtype=torch.bool)
    return network, Seen(torch.rand(2, 1, 64, 64), Variables(torch.zeros(2, 2), codes, missing))
