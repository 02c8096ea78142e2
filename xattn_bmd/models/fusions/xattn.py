"""Bidirectional cross-attention between image patches and clinical variables.

Axes: ``B`` patients, ``L`` layers, ``H`` heads, ``P`` image patches, ``V`` clinical variables, ``D`` token width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xattn_bmd.config import ModelConfig
from xattn_bmd.errors import ModelError
from xattn_bmd.models.attention import CrossAttention, KeysValues, KeyValueUpdater
from xattn_bmd.models.fusion import Attention, Fused, Fusion


class CrossAttentionFusion(Fusion):
    """Image patches read from variables and variables read from image patches, in ``L`` layers.

    The method follows XAttn-BMD (Zhang et al., arXiv 2511.14604): bidirectional cross-attention with a key-value
    updater and a layer-wise fusion weight.  The source's exact equations are not known to us; these are ours.  With
    image tokens ``X⁰ (P, D)``, variable tokens ``Y⁰ (V, D)``, ``LN`` layer normalisation and ``Attend`` as in
    :class:`~xattn_bmd.models.attention.CrossAttention`, for each layer ``l = 1 … L``:

    - key-value updater: ``(K, V)_X ← (K, V)_X + W_X^l LN(X^(l-1))`` and ``(K, V)_Y ← (K, V)_Y + W_Y^l LN(Y^(l-1))``,
      starting from zero, so that from the second layer on both sides are refreshed from their updated tokens;
    - ``X^l = Attend(X^(l-1); (K, V)_Y)`` and ``Y^l = Attend(Y^(l-1); (K, V)_X)``, both from layer ``l-1``;
    - pooled pair: ``p^l = [mean over P of X^l ; mean over V of Y^l]``, of width ``2D``.

    The fused vector is ``W LN(Σ_l softmax(a)_l p^l)`` with learned layer weights ``a`` that start equal.

    Shape:
        image tokens ``(B, P, D)`` with ``P ≥ 2`` and variable tokens ``(B, V, D)`` with ``V ≥ 2`` → ``(B, D)``.

    Args:
        config: ``width`` D, ``layers`` L, ``heads`` H and ``dropout``.

    Raises:
        ModelError: without a layer, if the width does not divide into the heads, or for a single token on either side.

    Example:
        >>> fusion = CrossAttentionFusion(ModelConfig(width=16, layers=3, heads=4))
        >>> fused = fusion(torch.rand(2, 9, 16), torch.rand(2, 5, 16))
        >>> fused.vector.shape, fused.attention.image_to_variables.shape
        (torch.Size([2, 16]), torch.Size([2, 3, 4, 9, 5]))
    """

    fewest_variables = 2

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        if config.layers < 1:
            raise ModelError(f"Cross-attention has at least 1 layer, but layers={config.layers} was given; raise it.")
        self.layers = nn.ModuleList(CrossAttentionLayer(config) for _ in range(config.layers))
        self.layer_logit = nn.Parameter(torch.zeros(config.layers))
        self.norm = nn.LayerNorm(2 * config.width)
        self.project = nn.Linear(2 * config.width, config.width)

    def forward(self, image_BPD: Tensor | None, variables_BVD: Tensor | None) -> Fused:
        """Return the fused vector ``(B, D)`` and the attention of every layer."""
        assert image_BPD is not None and variables_BVD is not None
        offered: tuple[KeysValues, KeysValues] | None = None
        pooled, to_variables, to_image = [], [], []
        for layer in self.layers:
            image_BPD, variables_BVD, offered, read_BHPV, read_BHVP = layer(image_BPD, variables_BVD, offered)
            pooled.append(torch.cat([image_BPD.mean(1), variables_BVD.mean(1)], dim=-1))
            to_variables.append(read_BHPV)
            to_image.append(read_BHVP)
        layer_weight = self.layer_logit.softmax(dim=0)
        mixed_BE = torch.einsum("l,lbe->be", layer_weight, torch.stack(pooled))
        attention = Attention(torch.stack(to_variables, dim=1), torch.stack(to_image, dim=1), layer_weight)
        return Fused(self.project(self.norm(mixed_BE)), attention)


class CrossAttentionLayer(nn.Module):
    """One layer: both sides refresh what they offer, then each reads from the other.

    Args:
        config: ``width``, ``heads`` and ``dropout``.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.update_image = KeyValueUpdater(config.width)
        self.update_variables = KeyValueUpdater(config.width)
        self.image_reads = CrossAttention(width=config.width, heads=config.heads, dropout=config.dropout)
        self.variables_read = CrossAttention(width=config.width, heads=config.heads, dropout=config.dropout)

    def forward(
        self, image_BPD: Tensor, variables_BVD: Tensor, offered: tuple[KeysValues, KeysValues] | None
    ) -> tuple[Tensor, Tensor, tuple[KeysValues, KeysValues], Tensor, Tensor]:
        """Return both sides' tokens, what they now offer (image, variables), and both attentions."""
        from_image, from_variables = offered if offered is not None else (None, None)
        from_image = self.update_image(image_BPD, from_image)
        from_variables = self.update_variables(variables_BVD, from_variables)
        updated_image_BPD, read_BHPV = self.image_reads(image_BPD, from_variables)
        updated_variables_BVD, read_BHVP = self.variables_read(variables_BVD, from_image)
        return updated_image_BPD, updated_variables_BVD, (from_image, from_variables), read_BHPV, read_BHVP
