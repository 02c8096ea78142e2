"""Heat of one class: a small network with a head of classes, and the closed form beside it."""

import pytest
import torch

from xattn_bmd.errors import ModelError
from xattn_bmd.explanation.heat.example import example
from xattn_bmd.explanation.heat.grad_cam import grad_cam
from xattn_bmd.explanation.heat.methods import METHODS
from xattn_bmd.explanation.heat.seen import Answer, OfClass
from xattn_bmd.models.network import FusionNetwork

SLOPES, STARTS = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([0.0, 1.0, -0.5])


class ClassNetwork(FusionNetwork):
    """Three classes whose scores are lines through the density, which itself is no longer given."""

    def forward(self, image, variables, features=None):
        """Return the output with log-probabilities."""
        output = super().forward(image, variables, features)
        scores = output.density[:, None] * SLOPES + STARTS
        nothing = torch.full_like(output.density, torch.nan)
        return output._replace(density=nothing, log_probabilities=scores.log_softmax(dim=1))


@pytest.fixture
def networks():
    plain, seen = example()
    parts = ("image_encoder", "variable_encoder", "fusion", "head")
    return plain, ClassNetwork(**{name: getattr(plain, name) for name in parts}).eval(), seen


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_answer_is_the_logit_of_the_class(networks, number):
    _, network, seen = networks
    said = Answer(network, target=OfClass(number))(seen.image, *seen.variables)
    p = network(seen.image, seen.variables).log_probabilities.exp()[:, number]
    torch.testing.assert_close(said, torch.logit(p), rtol=1e-4, atol=1e-5)


def test_grad_cam_of_a_class_is_that_of_the_density_times_the_logits_slope(networks):
    plain, network, seen = networks
    with torch.no_grad():
        density = plain(seen.image, seen.variables).density
    of_density = grad_cam(plain, seen)
    for number in range(3):
        at = density.detach().clone().requires_grad_()
        probability = (at[:, None] * SLOPES + STARTS).softmax(dim=1)[:, number]
        (slope,) = torch.autograd.grad(torch.logit(probability).sum(), at)
        expected = slope[:, None, None] * of_density
        torch.testing.assert_close(grad_cam(network, seen, target=OfClass(number)), expected, rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("occlusion", "attention")])
def test_every_gradient_method_explains_a_class(networks, name):
    _, network, seen = networks
    heat = METHODS[name](network, seen, target=OfClass(2))
    assert torch.isfinite(heat).all() and float(heat.abs().max()) > 0
    assert not torch.allclose(heat, METHODS[name](network, seen, target=OfClass(1)))


def test_a_class_that_the_head_does_not_know(networks):
    plain, network, seen = networks
    with pytest.raises(ModelError, match=r"class 0 \(from 0\) was asked of a head with 0 classes"):
        grad_cam(plain, seen, target=OfClass(0))
    for number in (3, -1):
        with pytest.raises(ModelError, match="a head with 3"):
            grad_cam(network, seen, target=OfClass(number))
