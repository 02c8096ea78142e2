"""The contract of a fusion: tokens of the image and of the record in, a vector per patient out, or two.

Axes: ``B`` patients, ``L`` layers, ``H`` heads, ``P`` image patches, ``V`` clinical variables, ``D`` token width.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from xattn_bmd.config import ModelConfig


class Attention(NamedTuple):
    """Attention of every layer and head; each row sums to 1 over its last axis.

    Attributes:
        image_to_variables: ``(B, L, H, P, V)``, how much each image patch reads from each variable; None where the
            image does not read.
        variables_to_image: ``(B, L, H, V, P)``, how much each variable reads from each image patch; None where the
            variables do not read.
        layer_weight: ``(L,)``, share of each layer in the fused vector; sums to 1.
    """

    image_to_variables: Tensor | None
    variables_to_image: Tensor | None
    layer_weight: Tensor


class Fused(NamedTuple):
    """What a fusion returns.

    Attributes:
        vector: ``(B, D)``, one row per patient, computed from that patient alone.
        attention: the attention, or None for a fusion without any.
        second: ``(B, D)`` for a fusion that predicts twice, else None.  The head then reads both vectors, and the
            prediction is the mean of its two estimates: :func:`~xattn_bmd.models.averaging.mean_estimate`.
    """

    vector: Tensor
    attention: Attention | None
    second: Tensor | None = None


class Fusion(nn.Module):
    """Base of every fusion; a subclass says what it needs and implements ``forward``.

    A fusion never mixes patients: row ``b`` of its output depends on row ``b`` of its inputs only.  Its parameters stay
    within 10 % of those of ``xattn`` at the same configuration, so that a comparison is not one of sizes.

    Args:
        config: token width ``D``, layers, heads and dropout.
    """

    uses_image: ClassVar[bool] = True
    uses_variables: ClassVar[bool] = True
    fewest_variables: ClassVar[int] = 1

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.width = config.width

    def forward(self, image_BPD: Tensor | None, variables_BVD: Tensor | None) -> Fused:
        """Fuse image tokens ``(B, P, D)`` and variable tokens ``(B, V, D)``; None where the fusion does not use it."""
        raise NotImplementedError


def parameter_count(module: nn.Module) -> int:
    """Return the number of learned values of a module.

    Example:
        >>> parameter_count(nn.Linear(3, 2))
        8
    """
    return sum(parameter.numel() for parameter in module.parameters())
