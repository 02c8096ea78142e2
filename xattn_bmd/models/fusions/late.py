"""Two predictions, one from the image and one from the record, and their mean."""

from __future__ import annotations

from torch import Tensor

from xattn_bmd.config import ModelConfig
from xattn_bmd.models.fusion import Fused, Fusion
from xattn_bmd.models.fusions.capacity import matched_hidden_width, vector_mlp


class LateFusion(Fusion):
    """Late fusion: the vectors of image and record meet only behind the head, as two predictions.

    With ``MLP(x) = W₂ Dropout(GELU(W₁ LN(x)))`` and the network's head:

    - ``prediction = (head(MLP_X(mean over P of X)) + head(MLP_Y(mean over V of Y))) / 2`` in g/cm².

    What a Gaussian and a quantile head say is averaged as in :func:`~xattn_bmd.models.averaging.mean_estimate`.  The
    two MLPs are those of ``image_only`` and ``metadata_only`` with half the parameters each; they share the one head,
    so that every fusion has the same.  The loss is that of the mean: both are trained together, as parts of one
    additive prediction without any interaction between image and record; neither is meant to predict by itself.

    Args:
        config: ``width`` D and ``dropout``; ``layers`` and ``heads`` set the number of parameters to match.

    Example:
        >>> import torch
        >>> fused = LateFusion(ModelConfig(width=16))(torch.rand(2, 9, 16), torch.rand(2, 5, 16))
        >>> fused.vector.shape, fused.second.shape
        (torch.Size([2, 16]), torch.Size([2, 16]))
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        width = config.width
        hidden = matched_hidden_width(config, per_unit=2 * (2 * width + 1), fixed=2 * width)
        self.image = vector_mlp(inputs=width, hidden=hidden, width=width, dropout=config.dropout)
        self.record = vector_mlp(inputs=width, hidden=hidden, width=width, dropout=config.dropout)

    def forward(self, image_BPD: Tensor | None, variables_BVD: Tensor | None) -> Fused:
        """Return the image's vector and the record's, ``(B, D)`` each; there is no attention."""
        assert image_BPD is not None and variables_BVD is not None
        return Fused(self.image(image_BPD.mean(1)), None, second=self.record(variables_BVD.mean(1)))
