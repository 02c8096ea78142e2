"""The capacity that every fusion shares: the number of parameters of ``xattn``."""

from __future__ import annotations

import torch
from torch import nn

from xattn_bmd.config import ModelConfig
from xattn_bmd.models.fusion import parameter_count
from xattn_bmd.models.fusions.xattn import CrossAttentionFusion


def matched_hidden_width(config: ModelConfig, *, per_unit: int, fixed: int) -> int:
    """Return the hidden width with which a fusion has as many parameters as ``xattn``.

    Args:
        config: the configuration that both share.
        per_unit: parameters of the fusion for each hidden unit.
        fixed: its other parameters.

    Example:
        >>> config = ModelConfig(width=64)
        >>> hidden = matched_hidden_width(config, per_unit=128 + 1 + 64, fixed=64)
        >>> mlp = nn.Sequential(nn.Linear(128, hidden), nn.Linear(hidden, 64))
        >>> abs(parameter_count(mlp) / parameter_count(CrossAttentionFusion(config)) - 1) < 0.01
        True
    """
    with torch.device("meta"):
        budget = parameter_count(CrossAttentionFusion(config))
    return max(1, round((budget - fixed) / per_unit))


def vector_mlp(*, inputs: int, hidden: int, width: int, dropout: float) -> nn.Sequential:
    """Return ``W₂ Dropout(GELU(W₁ LN(x)))``, of ``hidden · (inputs + 1 + width) + width`` parameters.

    Args:
        inputs: width of ``x``.
        hidden: hidden width.
        width: width of the output.
        dropout: dropout rate.

    Example:
        >>> parameter_count(vector_mlp(inputs=8, hidden=5, width=4, dropout=0.0)) == 5 * (8 + 1 + 4) + 4
        True
    """
    return nn.Sequential(
        nn.LayerNorm(inputs, elementwise_affine=False),
        nn.Linear(inputs, hidden),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, width),
    )
