"""Cross-attention in one direction: image patches read from clinical variables."""

from __future__ import annotations

from xattn_bmd.models.fusions.xattn import CrossAttentionFusion


class ImageToRecordFusion(CrossAttentionFusion):
    """Half of ``xattn``: in each layer ``X^l = Attend(X^(l-1); (K, V)_Y)``, and the variables stay ``Y^l = Y⁰``.

    Everything else is that of :class:`~xattn_bmd.models.fusions.xattn.CrossAttentionFusion`: updater, pooled pairs,
    layer weights.  Queries, keys and values are ``2D`` wide, so that it has as many parameters.  Attention in one
    direction alone is the crossmodal attention of Tsai et al. (2019, arXiv 1906.00295).

    Example:
        >>> import torch
        >>> from xattn_bmd.config import ModelConfig
        >>> fused = ImageToRecordFusion(ModelConfig(width=16))(torch.rand(2, 9, 16), torch.rand(2, 5, 16))
        >>> fused.attention.image_to_variables.shape, fused.attention.variables_to_image
        (torch.Size([2, 3, 4, 9, 5]), None)
    """

    variables_read = False
