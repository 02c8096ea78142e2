"""The record scales and shifts what is seen in every image patch.

Axes: ``B`` patients, ``P`` image patches, ``V`` clinical variables, ``D`` token width, ``E`` hidden channels.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import gelu

from xattn_bmd.config import ModelConfig
from xattn_bmd.models.fusion import Fused, Fusion
from xattn_bmd.models.fusions.capacity import matched_hidden_width


class FilmFusion(Fusion):
    """Feature-wise linear modulation (FiLM; Perez et al. 2018, arXiv 1709.07871) of the image tokens by the record.

    With image tokens ``X (P, D)`` and variable tokens ``Y (V, D)``:

    - ``[γ ; β] = W_Y LN(mean over V of Y)``, a scale and a shift for each of ``E`` channels;
    - ``Z_p = GELU((1 + γ) ⊙ LN(W_X X_p) + β)`` for each patch ``p``, the same ``γ, β`` for all of them;
    - ``vector = W Dropout(mean over P of Z)``.

    As in the source the scale is learned as its distance from 1, and a nonlinearity follows.  Layer normalisation
    stands in place of its batch normalisation, which mixes patients in training.  The record reaches the vector through
    ``γ, β`` alone.  ``E`` gives the fusion as many parameters as ``xattn`` has: ``E · (4D + 3) + D``.

    Args:
        config: ``width`` D and ``dropout``; ``layers`` and ``heads`` set the number of parameters to match.

    Example:
        >>> import torch
        >>> FilmFusion(ModelConfig(width=16))(torch.rand(2, 9, 16), torch.rand(2, 5, 16)).vector.shape
        torch.Size([2, 16])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        width = config.width
        hidden = matched_hidden_width(config, per_unit=4 * width + 3, fixed=width)
        self.image = nn.Sequential(nn.Linear(width, hidden), nn.LayerNorm(hidden, elementwise_affine=False))
        self.record = nn.Sequential(nn.LayerNorm(width, elementwise_affine=False), nn.Linear(width, 2 * hidden))
        self.project = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(hidden, width))

    def forward(self, image_BPD: Tensor | None, variables_BVD: Tensor | None) -> Fused:
        """Return the fused vector ``(B, D)``; there is no attention."""
        assert image_BPD is not None and variables_BVD is not None
        scale_B1E, shift_B1E = self.record(variables_BVD.mean(1)).unsqueeze(1).chunk(2, dim=-1)
        modulated_BPE = gelu((1 + scale_B1E) * self.image(image_BPD) + shift_B1E)
        return Fused(self.project(modulated_BPE.mean(1)), None)
