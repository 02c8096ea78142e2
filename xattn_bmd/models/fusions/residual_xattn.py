"""Concatenation, and what cross-attention adds to it through a gate that starts at zero."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xattn_bmd.config import ModelConfig
from xattn_bmd.models.fusion import Fused, Fusion, parameter_count
from xattn_bmd.models.fusions.capacity import matched_hidden_width, vector_mlp
from xattn_bmd.models.fusions.xattn import CrossAttentionFusion


class ResidualCrossAttentionFusion(Fusion):
    """Starts as ``concat`` and adds only what attention earns.

    With the tokens ``X⁰``, ``Y⁰`` as they come, and ``xattn(X⁰, Y⁰)`` the fused vector of
    :class:`~xattn_bmd.models.fusions.xattn.CrossAttentionFusion`:

    - ``vector = MLP([mean over P of X⁰ ; mean over V of Y⁰]) + g ⊙ xattn(X⁰, Y⁰)``,

    where the gate ``g``, one value per channel, starts at zero (as in ReZero, Bachlechner et al. 2021, arXiv
    2003.04887): a new network predicts exactly what ``concat`` would with an MLP of this size.  Queries, keys and
    values are about ``D/2`` wide, and the MLP takes the parameters that this sets free.

    Args:
        config: ``width`` D, ``layers``, ``heads``, ``dropout``, ``key_value_updater`` and ``layer_weight``.

    Example:
        >>> fused = ResidualCrossAttentionFusion(ModelConfig(width=16))(torch.rand(2, 9, 16), torch.rand(2, 5, 16))
        >>> fused.vector.shape, fused.attention.image_to_variables.shape
        (torch.Size([2, 16]), torch.Size([2, 3, 4, 9, 5]))
    """

    fewest_variables = CrossAttentionFusion.fewest_variables

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        width, inner = config.width, max(1, round(config.width / 2 / config.heads)) * config.heads
        self.attend = CrossAttentionFusion(config, inner=inner)
        self.gate = nn.Parameter(torch.zeros(width))
        taken = parameter_count(self.attend) + width
        hidden = matched_hidden_width(config, per_unit=3 * width + 1, fixed=taken + width)
        self.mlp = vector_mlp(inputs=2 * width, hidden=hidden, width=width, dropout=config.dropout)

    def forward(self, image_BPD: Tensor | None, variables_BVD: Tensor | None) -> Fused:
        """Return the fused vector ``(B, D)`` and the attention of every layer."""
        assert image_BPD is not None and variables_BVD is not None
        plain_BD = self.mlp(torch.cat([image_BPD.mean(1), variables_BVD.mean(1)], dim=-1))
        added = self.attend(image_BPD, variables_BVD)
        return Fused(plain_BD + self.gate * added.vector, added.attention)
