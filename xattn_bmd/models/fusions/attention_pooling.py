"""Attention pools the image without asking the record: what the record's questions are worth."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xattn_bmd.config import ModelConfig
from xattn_bmd.models.fusion import Fused
from xattn_bmd.models.fusions.record_to_image import RecordToImageFusion

QUERIES = 8
"""Learned tokens that read the image; about as many as a record has variables."""


class AttentionPoolingFusion(RecordToImageFusion):
    """``record_to_image`` with learned tokens ``C`` in place of the record's: the same for every patient.

    In ``record_to_image`` the variables both ask and are told; a gain over concatenation may come from attention to
    patches alone.  Here ``C^l = Attend(C^(l-1); (K, V)_X)`` reads the image, and the record is only set beside it:

    - pooled pair: ``p^l = [mean over P of X ; mean over V of Y⁰ + mean over C of (C^l - C⁰)]``.

    Everything else is that of :class:`~xattn_bmd.models.fusions.record_to_image.RecordToImageFusion`.  Pooling by
    learned queries is that of Lee et al. (2019, Set Transformer, arXiv 1810.00825).  There is no attention to report:
    no variable asks.

    Args:
        config: ``width`` D, ``layers``, ``heads``, ``dropout``, ``key_value_updater`` and ``layer_weight``.

    Example:
        >>> fusion = AttentionPoolingFusion(ModelConfig(width=16))
        >>> fusion(torch.rand(2, 9, 16), torch.rand(2, 5, 16)).vector.shape
        torch.Size([2, 16])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.asking = nn.Parameter(torch.randn(QUERIES, config.width))

    def forward(self, image_BPD: Tensor | None, variables_BVD: Tensor | None) -> Fused:
        """Return the fused vector ``(B, D)``; there is no attention of variables."""
        assert image_BPD is not None and variables_BVD is not None
        asking_BCD = self.asking.expand(image_BPD.shape[0], -1, -1)
        beside_BD = variables_BVD.mean(1) - asking_BCD.mean(1)
        return Fused(self.fused(image_BPD, asking_BCD, beside=beside_BD).vector, None)
