"""Cross-attention in one direction: clinical variables read from image patches."""

from __future__ import annotations

from xattn_bmd.models.fusions.xattn import CrossAttentionFusion


class RecordToImageFusion(CrossAttentionFusion):
    """Half of ``xattn``: in each layer ``Y^l = Attend(Y^(l-1); (K, V)_X)``, and the image patches stay ``X^l = X⁰``.

    Everything else is that of :class:`~xattn_bmd.models.fusions.xattn.CrossAttentionFusion`: updater, pooled pairs,
    layer weights.  Queries, keys and values are ``2D`` wide, so that it has as many parameters.  Attention in one
    direction alone is the crossmodal attention of Tsai et al. (2019, arXiv 1906.00295).  One variable is enough.

    Example:
        >>> import torch
        >>> from xattn_bmd.config import ModelConfig
        >>> fused = RecordToImageFusion(ModelConfig(width=16))(torch.rand(2, 9, 16), torch.rand(2, 5, 16))
        >>> fused.attention.image_to_variables, fused.attention.variables_to_image.shape
        (None, torch.Size([2, 3, 4, 5, 9]))
    """

    fewest_variables = 1
    image_reads = False
