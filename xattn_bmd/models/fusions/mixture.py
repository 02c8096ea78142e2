"""One transformer over the tokens of both sides together.

Axes: ``B`` patients, ``P`` image patches, ``V`` clinical variables, ``T = P + V`` tokens, ``D`` token width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xattn_bmd.config import ModelConfig
from xattn_bmd.models.attention import CrossAttention, KeyValueUpdater
from xattn_bmd.models.fusion import Fused, Fusion, parameter_count
from xattn_bmd.models.fusions.capacity import matched_hidden_width, vector_mlp


class MixtureFusion(Fusion):
    """Every token, of image or record, reads from all tokens, in ``L`` layers: a single-stream transformer.

    As in VisualBERT (Li et al. 2019, arXiv 1908.03557) and ViLT (Kim et al. 2021, arXiv 2102.03334).  With image tokens
    ``X``, variable tokens ``Y``, ``Attend`` as in :class:`~xattn_bmd.models.attention.CrossAttention` and
    ``MLP(x) = W₂ Dropout(GELU(W₁ LN(x)))``, whose hidden width gives it as many parameters as ``xattn`` has:

    - ``Z⁰ = [X ; Y]``, all ``T`` tokens in one row;
    - ``U^l = Attend(Z^(l-1); W^l LN(Z^(l-1)))`` and ``Z^l = U^l + MLP^l(U^l)``;
    - ``vector = W LN([mean over P of Z^L ; mean over V of Z^L])``.

    It returns no attention.  A patch divides its attention between variables and patches, so the block of it that goes
    to the variables does not sum to 1; scaled until it does, it would say the same of a patch that reads almost
    nothing from the record as of one that reads nothing else.

    Args:
        config: ``width`` D, ``layers`` L, ``heads`` and ``dropout``.

    Example:
        >>> MixtureFusion(ModelConfig(width=16))(torch.rand(2, 9, 16), torch.rand(2, 5, 16)).vector.shape
        torch.Size([2, 16])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        width, layers = config.width, range(config.layers)
        self.offer = nn.ModuleList(KeyValueUpdater(width) for _ in layers)
        sizes = {"width": width, "heads": config.heads}
        self.attend = nn.ModuleList(CrossAttention(**sizes, dropout=config.dropout) for _ in layers)
        self.project = nn.Sequential(nn.LayerNorm(2 * width), nn.Linear(2 * width, width))
        taken = parameter_count(self) + config.layers * width
        hidden = matched_hidden_width(config, per_unit=config.layers * (2 * width + 1), fixed=taken)
        inside = {"inputs": width, "hidden": hidden, "width": width}
        self.mlp = nn.ModuleList(vector_mlp(**inside, dropout=config.dropout) for _ in layers)

    def forward(self, image_BPD: Tensor | None, variables_BVD: Tensor | None) -> Fused:
        """Return the fused vector ``(B, D)``."""
        assert image_BPD is not None and variables_BVD is not None
        patches, tokens_BTD = image_BPD.shape[1], torch.cat([image_BPD, variables_BVD], dim=1)
        for offer, attend, mlp in zip(self.offer, self.attend, self.mlp, strict=True):
            read_BTD, _ = attend(tokens_BTD, offer(tokens_BTD, None))
            tokens_BTD = read_BTD + mlp(read_BTD)
        pooled = [tokens_BTD[:, :patches].mean(1), tokens_BTD[:, patches:].mean(1)]
        return Fused(self.project(torch.cat(pooled, dim=-1)), None)
