"""The variable encoder: one token per clinical variable.

Axes: ``B`` patients, ``V`` clinical variables (``N`` numeric, then ``C`` categorical), ``K`` hidden units, ``D`` width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xattn_bmd.errors import ModelError
from xattn_bmd.types import Variables, VariableSchema


class VariableEncoder(nn.Module):
    """Turns the clinical record into tokens; a token depends on its own variable only.

    A numeric variable goes through a small MLP of its own, ``W₂ GELU(w₁ x + b₁) + b₂`` (one set of parameters per
    variable, as in Gorishniy et al. 2022), a category through an embedding.  A missing value is a learned token per
    variable, never a mean.  All tokens then go through one shared residual MLP and a layer normalisation.

    Shape:
        :class:`~xattn_bmd.types.Variables` → ``(B, V, D)``, in the order of the schema.

    Args:
        schema: names and categories of the variables.
        width: token width ``D``.
        dropout: dropout rate.

    Raises:
        ModelError: if there is no variable.

    Example:
        >>> schema = VariableSchema(numeric=("age",), categorical=(("sex", ("female", "male")),))
        >>> encoder = VariableEncoder(schema, width=16, dropout=0.1)
        >>> code, missing = torch.zeros(3, 1, dtype=torch.int64), torch.zeros(3, 2, dtype=torch.bool)
        >>> encoder(Variables(torch.zeros(3, 1), code, missing)).shape
        torch.Size([3, 2, 16])
    """

    offset: Tensor

    def __init__(self, schema: VariableSchema, *, width: int, dropout: float) -> None:
        super().__init__()
        if not schema.names:
            raise ModelError(
                "The record has at least one clinical variable, but none was declared; declare one or use image_only."
            )
        self.numeric = NumericTokens(len(schema.numeric), width=width)
        self.category = nn.Embedding(max(1, sum(schema.cardinalities)), width)
        self.missing = nn.Parameter(torch.empty(len(schema.names), width))
        for weight in (self.category.weight, self.missing):
            nn.init.normal_(weight, std=0.5)
        first = torch.tensor([0, *schema.cardinalities], dtype=torch.int64).cumsum(0)[:-1]
        self.register_buffer("offset", first, persistent=False)
        self.shared = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, variables: Variables) -> Tensor:
        """Return the tokens ``(B, V, D)``."""
        present_BVD = torch.cat([self.numeric(variables.numeric), self.category(variables.codes + self.offset)], dim=1)
        tokens_BVD = torch.where(variables.missing.unsqueeze(-1), self.missing.to(present_BVD), present_BVD)
        encoded_BVD: Tensor = self.norm(tokens_BVD + self.shared(tokens_BVD))
        return encoded_BVD


class NumericTokens(nn.Module):
    """An MLP of its own per numeric variable, all computed together.

    Shape:
        ``(B, N)`` → ``(B, N, D)``.

    Args:
        variables: number ``N`` of numeric variables; may be 0.
        width: token width ``D``.
        hidden: hidden units ``K`` of each MLP.

    Example:
        >>> NumericTokens(4, width=16)(torch.zeros(2, 4)).shape
        torch.Size([2, 4, 16])
    """

    def __init__(self, variables: int, *, width: int, hidden: int = 16) -> None:
        super().__init__()
        self.weight_in = nn.Parameter(torch.empty(variables, hidden).normal_())
        self.bias_in = nn.Parameter(torch.empty(variables, hidden).normal_())
        self.weight_out = nn.Parameter(torch.empty(variables, hidden, width).normal_(std=hidden**-0.5))
        self.bias_out = nn.Parameter(torch.empty(variables, width).normal_(std=0.5))

    def forward(self, numeric_BN: Tensor) -> Tensor:
        """Return the tokens ``(B, N, D)``."""
        hidden_BNK = nn.functional.gelu(numeric_BN.unsqueeze(-1) * self.weight_in + self.bias_in)
        return torch.einsum("bnk,nkd->bnd", hidden_BNK, self.weight_out) + self.bias_out
