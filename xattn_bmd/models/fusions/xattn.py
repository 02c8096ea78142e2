"""Bidirectional cross-attention between image patches and clinical variables.

Axes: ``B`` patients, ``L`` layers, ``H`` heads, ``P`` image patches, ``V`` clinical variables, ``D`` token width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

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

    Two parts can be switched off.  Without ``key_value_updater`` the keys and values of a layer are those of its own
    tokens alone, ``W_X^l LN(X^(l-1))`` and ``W_Y^l LN(Y^(l-1))``; without ``layer_weight`` the fused vector is
    ``W LN(p^L)``.  A subclass leaves one direction out: the tokens that would read stay as they came, and the other
    direction's queries, keys and values are ``2D`` wide in place of ``D``, which takes as many parameters as the
    direction that is gone.

    Shape:
        image tokens ``(B, P, D)`` with ``P ≥ 2`` and variable tokens ``(B, V, D)`` with ``V ≥ 2`` → ``(B, D)``.

    Args:
        config: ``width`` D, ``layers`` L, ``heads`` H, ``dropout``, ``key_value_updater`` and ``layer_weight``.
        inner: width of queries, keys and values, a multiple of the heads; None takes the one described above.

    Raises:
        ModelError: without a layer, if the width does not divide into the heads, or for a single token on either side.

    Example:
        >>> fusion = CrossAttentionFusion(ModelConfig(width=16, layers=3, heads=4))
        >>> fused = fusion(torch.rand(2, 9, 16), torch.rand(2, 5, 16))
        >>> fused.vector.shape, fused.attention.image_to_variables.shape
        (torch.Size([2, 16]), torch.Size([2, 3, 4, 9, 5]))
    """

    fewest_variables = 2
    image_reads: ClassVar[bool] = True
    variables_read: ClassVar[bool] = True

    def __init__(self, config: ModelConfig, *, inner: int | None = None) -> None:
        super().__init__(config)
        if config.layers < 1:
            raise ModelError(f"Cross-attention has at least 1 layer, but layers={config.layers} was given; raise it.")
        both = self.image_reads and self.variables_read
        inner = inner or (config.width if both else 2 * config.width)
        directions = {"image_reads": self.image_reads, "variables_read": self.variables_read}
        self.layers = nn.ModuleList(
            CrossAttentionLayer(config, inner=inner, **directions) for _ in range(config.layers)
        )
        self.keeps_offered = config.key_value_updater
        if config.layer_weight:
            self.layer_logit = nn.Parameter(torch.zeros(config.layers))
        else:  # log of (0, …, 0, 1): softmax gives the last layer all the weight
            self.register_buffer("layer_logit", torch.eye(config.layers)[-1].log(), persistent=False)
        self.norm = nn.LayerNorm(2 * config.width)
        self.project = nn.Linear(2 * config.width, config.width)

    def forward(self, image_BPD: Tensor | None, variables_BVD: Tensor | None) -> Fused:
        """Return the fused vector ``(B, D)`` and the attention of every layer."""
        assert image_BPD is not None and variables_BVD is not None
        return self.fused(image_BPD, variables_BVD)

    def fused(self, image_BPD: Tensor, variables_BVD: Tensor, *, beside: Tensor | None = None) -> Fused:
        """Return the fused vector; ``beside``, ``(B, D)``, is added to the mean of each layer's variable tokens."""
        offered = NOTHING
        pooled, to_variables, to_image = [], [], []
        for layer in self.layers:
            image_BPD, variables_BVD, now_offered, read_BHPV, read_BHVP = layer(image_BPD, variables_BVD, offered)
            offered = now_offered if self.keeps_offered else NOTHING
            variables_BD = variables_BVD.mean(1) if beside is None else variables_BVD.mean(1) + beside
            pooled.append(torch.cat([image_BPD.mean(1), variables_BD], dim=-1))
            to_variables.append(read_BHPV)
            to_image.append(read_BHVP)
        layer_weight = self.layer_logit.softmax(dim=0)
        mixed_BE = torch.einsum("l,lbe->be", layer_weight, torch.stack(pooled))
        attention = Attention(_of_all_layers(to_variables), _of_all_layers(to_image), layer_weight)
        return Fused(self.project(self.norm(mixed_BE)), attention)


class Offered(NamedTuple):
    """What each side offers to the other; None before the first layer, and where the other side does not read.

    Attributes:
        image: keys and values of the image patches.
        variables: keys and values of the clinical variables.
    """

    image: KeysValues | None
    variables: KeysValues | None


NOTHING = Offered(None, None)


class CrossAttentionLayer(nn.Module):
    """One layer: what is read is refreshed, then each side that reads does so from the other.

    Args:
        config: ``width``, ``heads`` and ``dropout``.
        inner: width of queries, keys and values.
        image_reads: whether image patches read from variables.
        variables_read: whether variables read from image patches.
    """

    def __init__(self, config: ModelConfig, *, inner: int, image_reads: bool, variables_read: bool) -> None:
        super().__init__()
        width = config.width
        self.update_image = KeyValueUpdater(width, inner=inner) if variables_read else None
        self.update_variables = KeyValueUpdater(width, inner=inner) if image_reads else None
        sizes = {"width": width, "heads": config.heads, "inner": inner}
        self.image_reads = CrossAttention(**sizes, dropout=config.dropout) if image_reads else None
        self.variables_read = CrossAttention(**sizes, dropout=config.dropout) if variables_read else None

    def forward(
        self, image_BPD: Tensor, variables_BVD: Tensor, offered: Offered
    ) -> tuple[Tensor, Tensor, Offered, Tensor | None, Tensor | None]:
        """Return both sides' tokens, what they now offer, and both attentions."""
        from_image = _refreshed(self.update_image, image_BPD, offered.image)
        from_variables = _refreshed(self.update_variables, variables_BVD, offered.variables)
        new_image_BPD, read_BHPV = _read(self.image_reads, image_BPD, from_variables)
        new_variables_BVD, read_BHVP = _read(self.variables_read, variables_BVD, from_image)
        return new_image_BPD, new_variables_BVD, Offered(from_image, from_variables), read_BHPV, read_BHVP


def _refreshed(update: KeyValueUpdater | None, tokens_BKD: Tensor, offered: KeysValues | None) -> KeysValues | None:
    return None if update is None else KeysValues(*update(tokens_BKD, offered))


def _read(attend: CrossAttention | None, tokens_BQD: Tensor, other: KeysValues | None) -> tuple[Tensor, Tensor | None]:
    if attend is None or other is None:
        return tokens_BQD, None
    updated_BQD, attention_BHQK = attend(tokens_BQD, other)
    return updated_BQD, attention_BHQK


def _of_all_layers(attention: Sequence[Tensor | None]) -> Tensor | None:
    made = [layer_BHQK for layer_BHQK in attention if layer_BHQK is not None]
    return torch.stack(made, dim=1) if made else None
