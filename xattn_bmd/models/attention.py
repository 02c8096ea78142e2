"""Cross-attention whose keys and values are kept between layers and refreshed by a key-value updater.

Axes: ``B`` patients, ``H`` heads, ``Q`` queries of one side, ``K`` keys of the other side, ``D`` token width, ``E``
width of queries, keys and values.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from xattn_bmd.errors import ModelError

LAYER_SCALE = 0.1


class KeysValues(NamedTuple):
    """What one side offers to the other.

    Attributes:
        keys: ``(B, K, E)``.
        values: ``(B, K, E)``.
    """

    keys: Tensor
    values: Tensor


class KeyValueUpdater(nn.Module):
    """Adds to the keys and values of one side what its updated tokens have learned.

    ``keys ← keys + W_K LN(tokens)``, ``values ← values + W_V LN(tokens)``; the first call, without any, makes them.

    Args:
        width: token width ``D``.
        inner: width ``E`` of keys and values; None takes ``D``.

    Example:
        >>> updater = KeyValueUpdater(8)
        >>> updater(torch.zeros(2, 5, 8), None).keys.shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, width: int, *, inner: int | None = None) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 2 * (inner or width))

    def forward(self, tokens_BKD: Tensor, previous: KeysValues | None) -> KeysValues:
        """Return the keys and values of ``tokens_BKD``, added to the previous ones."""
        keys, values = self.project(self.norm(tokens_BKD)).chunk(2, dim=-1)
        return (
            KeysValues(keys, values) if previous is None else KeysValues(previous.keys + keys, previous.values + values)
        )


class CrossAttention(nn.Module):
    """Pre-norm multi-head attention from the tokens of one side to the keys and values of the other.

    ``tokens ← tokens + s ⊙ W_O softmax(W_Q LN(tokens) keysᵀ / √(E/H)) values`` with a learned scale ``s`` per channel
    that starts at 0.1 (LayerScale, Touvron et al. 2021), so that attention has to earn its share.

    Shape:
        tokens ``(B, Q, D)`` and keys, values ``(B, K, E)`` → tokens ``(B, Q, D)`` and attention ``(B, H, Q, K)``.

    Args:
        width: token width ``D``.
        heads: attention heads ``H``.
        dropout: dropout on attention weights and on what is added.
        inner: width ``E`` of queries, keys and values; None takes ``D``.

    Raises:
        ModelError: if the width does not divide into the heads or, when called, if there is a single key.

    Example:
        >>> attend = CrossAttention(width=8, heads=2, dropout=0.0)
        >>> other = KeysValues(torch.rand(3, 4, 8), torch.rand(3, 4, 8))
        >>> tokens, attention = attend(torch.rand(3, 5, 8), other)
        >>> tokens.shape, attention.shape
        (torch.Size([3, 5, 8]), torch.Size([3, 2, 5, 4]))
    """

    def __init__(self, *, width: int, heads: int, dropout: float, inner: int | None = None) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ModelError(
                f"The width is a multiple of the heads, but width {width} with {heads} heads was given; change one."
            )
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, inner or width)
        self.output = nn.Linear(inner or width, width)
        self.scale = nn.Parameter(torch.full((width,), LAYER_SCALE))
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens_BQD: Tensor, other: KeysValues) -> tuple[Tensor, Tensor]:
        """Return the updated tokens ``(B, Q, D)`` and the attention ``(B, H, Q, K)`` without dropout."""
        if other.keys.shape[1] < 2:
            raise ModelError(
                "Cross-attention needs at least 2 keys, but 1 was found, and cross-attention over one key is a linear "
                "map; add a clinical variable or use a larger image."
            )
        query, keys, values = (self._split(x) for x in (self.query(self.norm(tokens_BQD)), other.keys, other.values))
        attention_BHQK = (query @ keys.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(dim=-1)
        read_BQE = (self.dropout(attention_BHQK) @ values).transpose(1, 2).flatten(2)
        return tokens_BQD + self.scale * self.dropout(self.output(read_BQE)), attention_BHQK

    def _split(self, x_BTE: Tensor) -> Tensor:
        patients, tokens, width = x_BTE.shape
        return x_BTE.reshape(patients, tokens, self.heads, width // self.heads).transpose(1, 2)
