"""What a network sees of some radiographs, and what of its answer is explained.

Axes: ``B`` radiographs, ``H, W`` rows and columns of the picture, ``C, h, w`` of a feature map.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from xattn_bmd.errors import ModelError
from xattn_bmd.models.network import FusionNetwork
from xattn_bmd.types import Variables

Target = Literal["density", "low_density"]


class OfClass(NamedTuple):
    """The logit of one class of a head of classes, as what is explained.

    ``log(p / (1 - p))`` of its probability, for softmax as for ordinal classes: heat speaks for the class against all
    others, whatever the head computes on the way.

    Attributes:
        number: place of the class, from 0.
    """

    number: int


Scalar = Target | OfClass
"""What of a network's answer is explained: one number for each radiograph."""


class Seen(NamedTuple):
    """What a network sees.

    Attributes:
        image: ``(B, 1, H, W)`` float32 in 0-1, every hip turned to look like a left hip.
        variables: the encoded record of the same radiographs.
        features: ``(B, C, h, w)`` what the frozen part of the trunk makes of the image, where that is at hand:
            gradients are then taken at the map, and the trunk is not run again.
    """

    image: Tensor
    variables: Variables
    features: Tensor | None = None

    def looked_at(self) -> Tensor:
        """Return what the gradient flows from: the stored map, else the picture."""
        return self.image if self.features is None else self.features


class Answer(nn.Module):
    """A network as one number for each radiograph, the form in which captum takes it.

    ``density`` is the estimate in g/cm².  ``low_density`` is the probit of "below the threshold",
    ``(threshold - mean) / SD``, of a Gaussian head.  A head without SD has no probability of its own: the one that a
    predictor states comes from a falling line through the density (recalibration), so its heat would be that of the
    density with the other sign, scaled for each patient.  It is refused, because it says nothing new.  :class:`OfClass`
    is the logit of a class.

    Args:
        network: the network, in evaluation mode.
        target: what is explained.
        threshold: density of the threshold, g/cm²; used for ``low_density``.
        mapped: whether it is given stored maps in place of pictures.

    Raises:
        ModelError: if the head has no SD and ``low_density`` is asked for, or there is no such target.
    """

    def __init__(
        self, network: FusionNetwork, *, target: Scalar = "density", threshold: float = 0.0, mapped: bool = False
    ) -> None:
        super().__init__()
        check_target(network, target)
        self.network, self.target, self.threshold, self.mapped = network, target, threshold, mapped

    def forward(self, looked_at: Tensor, numeric: Tensor, codes: Tensor, missing: Tensor) -> Tensor:
        """Return ``(B,)``, the number that is explained."""
        variables = Variables(numeric, codes, missing)
        image, features = (None, looked_at) if self.mapped else (looked_at, None)
        output = self.network(image, variables, features)
        if isinstance(self.target, OfClass):
            return _logit(output.log_probabilities, self.target.number)
        if self.target == "density" or output.sd is None:
            answer: Tensor = output.density
            return answer
        probit: Tensor = (self.threshold - output.density) / output.sd
        return probit


def check_target(network: FusionNetwork, target: Scalar) -> None:
    """Refuse a target that the network does not answer, see :class:`Answer`.

    Raises:
        ModelError: if the head has no SD and ``low_density`` is asked for, or there is no such target.
    """
    if isinstance(target, OfClass):
        return  # what a head of classes gives is known when it is asked
    if target not in get_args(Target):
        raise ModelError(
            f"What is explained is one of {', '.join(get_args(Target))}, but {target!r} was asked for; mend the name."
        )
    if target == "low_density" and network.head.name != "gaussian":
        raise ModelError(
            f"Heat of low_density needs a head that says how sure it is, but this network has the head "
            f"{network.head.name!r}, whose heat is that of the density with the other sign; explain density, or train "
            "with model.head: gaussian."
        )


def _logit(log_probabilities: Tensor | None, number: int) -> Tensor:
    known = 0 if log_probabilities is None else log_probabilities.shape[1]
    if log_probabilities is None or not 0 <= number < known:
        raise ModelError(
            f"Heat of a class needs a head that knows it, but class {number} (from 0) was asked of a head with {known} "
            "classes; explain density, or give the place of one of its classes."
        )
    own = log_probabilities[:, number].double()
    others = torch.cat([log_probabilities[:, :number], log_probabilities[:, number + 1 :]], dim=1).double()
    return (own - others.logsumexp(dim=1)).to(log_probabilities.dtype)


def stored_map(network: FusionNetwork, image: Tensor) -> Tensor | None:
    """Return the map ``(B, C, h, w)`` of a network's frozen part; None where nothing is frozen.

    Args:
        network: a network that looks at pictures.
        image: ``(B, 1, H, W)`` in 0-1.
    """
    encoder = network.image_encoder
    if encoder is None or encoder.freeze == "none":
        return None
    with torch.no_grad():
        return encoder.features(image).detach()
