"""Fusion without attention: mean-pooled tokens through one MLP; base of the three baselines."""

from __future__ import annotations

import torch
from torch import Tensor

from xattn_bmd.config import ModelConfig
from xattn_bmd.models.fusion import Fused, Fusion
from xattn_bmd.models.fusions.capacity import matched_hidden_width, vector_mlp


class PooledFusion(Fusion):
    """``vector = W₂ Dropout(GELU(W₁ LN([mean over P of X ; mean over V of Y])))`` of the inputs that the subclass uses.

    Tokens and pooling are those of ``xattn``; the hidden width gives it the same number of parameters.

    Args:
        config: ``width`` D and ``dropout``; ``layers`` and ``heads`` set the number of parameters to match.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        width, inputs = config.width, config.width * (self.uses_image + self.uses_variables)
        hidden = matched_hidden_width(config, per_unit=inputs + 1 + width, fixed=width)
        self.mlp = vector_mlp(inputs=inputs, hidden=hidden, width=width, dropout=config.dropout)

    def forward(self, image_BPD: Tensor | None, variables_BVD: Tensor | None) -> Fused:
        """Return the fused vector ``(B, D)``; there is no attention."""
        used = (image_BPD if self.uses_image else None, variables_BVD if self.uses_variables else None)
        pooled = [tokens_BTD.mean(dim=1) for tokens_BTD in used if tokens_BTD is not None]
        return Fused(self.mlp(torch.cat(pooled, dim=-1)), None)
