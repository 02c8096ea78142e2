"""A gate that weighs the image against the record, channel by channel and patient by patient.

Axes: ``B`` patients, ``P`` image patches, ``V`` clinical variables, ``D`` token width, ``E`` hidden units.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xattn_bmd.config import ModelConfig
from xattn_bmd.models.fusion import Fused, Fusion
from xattn_bmd.models.fusions.capacity import matched_hidden_width


class GatedFusion(Fusion):
    """Gated Multimodal Unit (Arevalo et al. 2017, arXiv 1702.01992) on the pooled tokens.

    With ``x = LN(mean over P of X)`` and ``y = LN(mean over V of Y)``:

    - ``h_x = tanh(W_x x)`` and ``h_y = tanh(W_y y)``, of ``E`` hidden units each;
    - the gate ``z = σ(W_z [x ; y])``, between 0 and 1, and ``h = z ⊙ h_x + (1 - z) ⊙ h_y``;
    - ``vector = W Dropout(h)``.

    The unit is the source's; the biases, the normalisation and the projection ``W`` are ours.  ``E`` gives the fusion
    as many parameters as ``xattn`` has: ``E · (5D + 3) + D``.

    Args:
        config: ``width`` D and ``dropout``; ``layers`` and ``heads`` set the number of parameters to match.

    Example:
        >>> GatedFusion(ModelConfig(width=16))(torch.rand(2, 9, 16), torch.rand(2, 5, 16)).vector.shape
        torch.Size([2, 16])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        width = config.width
        hidden = matched_hidden_width(config, per_unit=5 * width + 3, fixed=width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.image, self.record = nn.Linear(width, hidden), nn.Linear(width, hidden)
        self.gate = nn.Linear(2 * width, hidden)
        self.project = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(hidden, width))

    def forward(self, image_BPD: Tensor | None, variables_BVD: Tensor | None) -> Fused:
        """Return the fused vector ``(B, D)``; there is no attention."""
        assert image_BPD is not None and variables_BVD is not None
        image_BD, record_BD = self.norm(image_BPD.mean(1)), self.norm(variables_BVD.mean(1))
        gate_BE = self.gate(torch.cat([image_BD, record_BD], dim=-1)).sigmoid()
        hidden_BE = gate_BE * self.image(image_BD).tanh() + (1 - gate_BE) * self.record(record_BD).tanh()
        return Fused(self.project(hidden_BE), None)
