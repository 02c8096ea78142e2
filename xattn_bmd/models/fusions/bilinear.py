"""Products of what is seen in the image with what the record says.

Axes: ``B`` patients, ``P`` image patches, ``V`` clinical variables, ``D`` token width, ``E`` products, the rank.
"""

from __future__ import annotations

from torch import Tensor, nn

from xattn_bmd.config import ModelConfig
from xattn_bmd.models.fusion import Fused, Fusion
from xattn_bmd.models.fusions.capacity import matched_hidden_width


class BilinearFusion(Fusion):
    """Low-rank bilinear pooling (Kim et al. 2017, arXiv 1610.04325) of the pooled tokens.

    A bilinear form gives every product of an image channel with a record channel a weight of its own, ``D²`` for each
    output; here it is a sum of ``E`` products of two projections.  With ``x = LN(mean over P of X)`` and
    ``y = LN(mean over V of Y)``:

    - ``h = tanh(W_x x + b_x) ⊙ tanh(W_y y + b_y)``, of ``E`` products;
    - ``vector = W Dropout(h)``, with a bias.

    Both biases stand inside as in the source's full model, so that a product may also pass one side through alone.  The
    normalisation and the dropout are ours.  ``E`` gives the fusion as many parameters as ``xattn`` has:
    ``E · (3D + 2) + D``.

    Args:
        config: ``width`` D and ``dropout``; ``layers`` and ``heads`` set the number of parameters to match.

    Example:
        >>> import torch
        >>> BilinearFusion(ModelConfig(width=16))(torch.rand(2, 9, 16), torch.rand(2, 5, 16)).vector.shape
        torch.Size([2, 16])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        width = config.width
        rank = matched_hidden_width(config, per_unit=3 * width + 2, fixed=width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.image, self.record = nn.Linear(width, rank), nn.Linear(width, rank)
        self.project = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(rank, width))

    def forward(self, image_BPD: Tensor | None, variables_BVD: Tensor | None) -> Fused:
        """Return the fused vector ``(B, D)``; there is no attention."""
        assert image_BPD is not None and variables_BVD is not None
        image_BE, record_BE = self.image(self.norm(image_BPD.mean(1))), self.record(self.norm(variables_BVD.mean(1)))
        return Fused(self.project(image_BE.tanh() * record_BE.tanh()), None)
