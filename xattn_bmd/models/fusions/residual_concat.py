"""Concatenation in the frame of cross-attention: small residual steps and a linear reading, but no attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xattn_bmd.config import ModelConfig
from xattn_bmd.models.attention import LAYER_SCALE
from xattn_bmd.models.fusion import Fused, Fusion
from xattn_bmd.models.fusions.capacity import matched_hidden_width, vector_mlp


class ResidualConcatFusion(Fusion):
    """``xattn`` with an MLP on the pooled pair in place of each layer's attention: what attention itself is worth.

    ``concat`` reads its pair through one wide MLP, ``xattn`` through small steps and a linear map; a difference between
    them may come from either.  With the pair ``p⁰ = [mean over P of X ; mean over V of Y]`` of width ``2D``, for each
    layer ``l = 1 … L``:

    - ``p^l = p^(l-1) + s^l ⊙ MLP^l(p^(l-1))`` with a learned scale ``s`` per channel that starts at 0.1 (LayerScale,
      Touvron et al. 2021), as in :class:`~xattn_bmd.models.attention.CrossAttention`.

    The fused vector is ``W LN(Σ_l softmax(a)_l p^l)``, as in ``xattn``.

    Args:
        config: ``width`` D, ``layers`` L and ``dropout``; ``heads`` sets the number of parameters to match.

    Example:
        >>> ResidualConcatFusion(ModelConfig(width=16))(torch.rand(2, 9, 16), torch.rand(2, 5, 16)).vector.shape
        torch.Size([2, 16])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        pair, layers = 2 * config.width, config.layers
        self.layer_logit = nn.Parameter(torch.zeros(layers))
        self.scale = nn.Parameter(torch.full((layers, pair), LAYER_SCALE))
        self.norm = nn.LayerNorm(pair)
        self.project = nn.Linear(pair, config.width)
        fixed = layers * (1 + 2 * pair) + 2 * pair + (pair + 1) * config.width
        hidden = matched_hidden_width(config, per_unit=layers * (2 * pair + 1), fixed=fixed)
        self.steps = nn.ModuleList(
            vector_mlp(inputs=pair, hidden=hidden, width=pair, dropout=config.dropout) for _ in range(layers)
        )

    def forward(self, image_BPD: Tensor | None, variables_BVD: Tensor | None) -> Fused:
        """Return the fused vector ``(B, D)``; there is no attention."""
        assert image_BPD is not None and variables_BVD is not None
        pair_BE = torch.cat([image_BPD.mean(1), variables_BVD.mean(1)], dim=-1)
        stepped = []
        for scale, step in zip(self.scale, self.steps, strict=True):
            pair_BE = pair_BE + scale * step(pair_BE)
            stepped.append(pair_BE)
        mixed_BE = torch.einsum("l,lbe->be", self.layer_logit.softmax(dim=0), torch.stack(stepped))
        return Fused(self.project(self.norm(mixed_BE)), None)
