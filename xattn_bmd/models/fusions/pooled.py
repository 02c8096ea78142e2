"""Fusion without attention: mean-pooled tokens through one MLP; base of the three baselines."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xattn_bmd.config import ModelConfig
from xattn_bmd.models.fusion import Fused, Fusion, parameter_count
from xattn_bmd.models.fusions.xattn import CrossAttentionFusion


class PooledFusion(Fusion):
    """``vector = W₂ Dropout(GELU(W₁ LN([mean over P of X ; mean over V of Y])))`` of the inputs that the subclass uses.

    Tokens and pooling are those of ``xattn``; the hidden width gives it the same number of parameters.

    Args:
        config: ``width`` D and ``dropout``; ``layers`` and ``heads`` set the number of parameters to match.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        inputs = config.width * (self.uses_image + self.uses_variables)
        hidden = matched_hidden_width(config, inputs=inputs)
        self.mlp = nn.Sequential(
            nn.LayerNorm(inputs, elementwise_affine=False),
            nn.Linear(inputs, hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(hidden, config.width),
        )

    def forward(self, image_BPD: Tensor | None, variables_BVD: Tensor | None) -> Fused:
        """Return the fused vector ``(B, D)``; there is no attention."""
        used = (image_BPD if self.uses_image else None, variables_BVD if self.uses_variables else None)
        pooled = [tokens_BTD.mean(dim=1) for tokens_BTD in used if tokens_BTD is not None]
        return Fused(self.mlp(torch.cat(pooled, dim=-1)), None)


def matched_hidden_width(config: ModelConfig, *, inputs: int) -> int:
    """Return the hidden width with which an MLP ``inputs → hidden → D`` has as many parameters as ``xattn``.

    The MLP has ``hidden · (inputs + 1 + D) + D`` parameters.

    Args:
        config: the configuration that both share.
        inputs: width of the MLP's input.

    Example:
        >>> config = ModelConfig(width=64)
        >>> hidden = matched_hidden_width(config, inputs=128)
        >>> mlp = nn.Sequential(nn.Linear(128, hidden), nn.Linear(hidden, 64))
        >>> abs(parameter_count(mlp) / parameter_count(CrossAttentionFusion(config)) - 1) < 0.01
        True
    """
    with torch.device("meta"):
        budget = parameter_count(CrossAttentionFusion(config))
    return max(1, round((budget - config.width) / (inputs + 1 + config.width)))
