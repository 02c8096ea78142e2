"""The methods by name; a new one is a file in this folder and a line in this dictionary."""

from __future__ import annotations

import difflib
from typing import Literal, Protocol

from torch import Tensor

from xattn_bmd.errors import ModelError
from xattn_bmd.explanation.heat.attention import attention_heat
from xattn_bmd.explanation.heat.grad_cam import grad_cam
from xattn_bmd.explanation.heat.grad_cam_plus_plus import grad_cam_plus_plus
from xattn_bmd.explanation.heat.hirescam import hirescam
from xattn_bmd.explanation.heat.integrated_gradients import integrated_gradients
from xattn_bmd.explanation.heat.occlusion import occlusion
from xattn_bmd.explanation.heat.seen import Scalar, Seen
from xattn_bmd.models.network import FusionNetwork

MethodName = Literal["hirescam", "grad_cam", "grad_cam_plus_plus", "integrated_gradients", "occlusion", "attention"]


class HeatMethod(Protocol):
    """Makes heat ``(B, h, w)`` of what a network sees, in the pose of the picture that it saw."""

    def __call__(
        self, network: FusionNetwork, seen: Seen, *, target: Scalar = "density", threshold: float = 0.0
    ) -> Tensor:
        """Return the heat, float32."""
        ...


METHODS: dict[str, HeatMethod] = {
    "hirescam": hirescam,
    "grad_cam": grad_cam,
    "grad_cam_plus_plus": grad_cam_plus_plus,
    "integrated_gradients": integrated_gradients,
    "occlusion": occlusion,
    "attention": attention_heat,
}


def method_named(name: str) -> HeatMethod:
    """Return a method.

    Raises:
        ModelError: if there is none of that name.

    Example:
        >>> method_named("grad_cam") is grad_cam
        True
    """
    if name not in METHODS:
        near = difflib.get_close_matches(name, METHODS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ModelError(f"A heat method is one of {', '.join(METHODS)}, but {name!r} was given; {hint}mend the name.")
    return METHODS[name]
