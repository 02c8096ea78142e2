"""Direct concatenation of the image vector and the record vector."""

from __future__ import annotations

from xattn_bmd.models.fusions.pooled import PooledFusion


class ConcatFusion(PooledFusion):
    """``[image ; record]`` through one MLP: the baseline that cross-attention has to beat.

    Example:
        >>> import torch
        >>> from xattn_bmd.config import ModelConfig
        >>> ConcatFusion(ModelConfig(width=16))(torch.rand(2, 9, 16), torch.rand(2, 5, 16)).vector.shape
        torch.Size([2, 16])
    """
