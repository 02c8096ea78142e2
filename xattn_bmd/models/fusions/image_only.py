"""The radiograph alone."""

from __future__ import annotations

from xattn_bmd.models.fusions.pooled import PooledFusion


class ImageOnlyFusion(PooledFusion):
    """The image vector through one MLP; the record is never read.

    Example:
        >>> import torch
        >>> from xattn_bmd.config import ModelConfig
        >>> ImageOnlyFusion(ModelConfig(width=16))(torch.rand(2, 9, 16), None).vector.shape
        torch.Size([2, 16])
    """

    uses_variables = False
