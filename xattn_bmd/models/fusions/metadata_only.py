"""The clinical record alone."""

from __future__ import annotations

from xattn_bmd.models.fusions.pooled import PooledFusion


class MetadataOnlyFusion(PooledFusion):
    """The record vector through one MLP; no image encoder is built or run.

    Example:
        >>> import torch
        >>> from xattn_bmd.config import ModelConfig
        >>> MetadataOnlyFusion(ModelConfig(width=16))(None, torch.rand(2, 5, 16)).vector.shape
        torch.Size([2, 16])
    """

    uses_image = False
