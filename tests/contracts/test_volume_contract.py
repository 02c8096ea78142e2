"""The contract of the networks with CT volumes for images: every fusion, in three dimensions and slice by slice."""

import pytest
import torch
from safetensors.torch import load, save

from tests.contracts.made_up import given_parts, made_network, made_patients, rows
from xattn_bmd.models.fusions import FUSIONS
from xattn_bmd.types import Variables

VOLUME = (8, 32, 32)
BACKBONES = {"densenet_small_3d": (1, 4, 4), "test_resnet": (8, 1, 1)}
"""Grid of the tokens of a volume, by backbone."""

every_network = pytest.mark.parametrize(
    ("fusion", "backbone"), [(name, each) for name, kind in FUSIONS.items() for each in BACKBONES if kind.uses_image]
)


@every_network
def test_one_finite_estimate_per_patient_alone_and_in_any_batch(fusion, backbone):
    network = made_network(fusion, backbone, head="gaussian")
    image, variables = made_patients(shape=VOLUME)
    with torch.no_grad():
        together = given_parts(network(image, variables))
        alone = [given_parts(network(image[[b]], rows(variables, [b]))) for b in range(5)]
    for name, part in together.items():
        assert part.shape[0] == 5 and part.isfinite().all()
        torch.testing.assert_close(torch.cat([one[name] for one in alone]), part, atol=1e-6, rtol=0)


@every_network
def test_gradient_reaches_both_inputs_and_every_parameter(fusion, backbone):
    network = made_network(fusion, backbone, dropout=0.0).train()
    image, variables = made_patients(shape=VOLUME)
    image.requires_grad_()
    numeric = variables.numeric.clone().requires_grad_()
    network(image, Variables(numeric, variables.codes, variables.missing)).density.square().sum().backward()
    assert image.grad.abs().amax(dim=(0, 2, 3)).gt(0).all(), "a slice is not looked at"
    assert (numeric.grad is not None and bool((numeric.grad != 0).any())) == FUSIONS[fusion].uses_variables
    assert [name for name, value in network.named_parameters() if value.grad is None] == []


@every_network
def test_attention_has_one_place_for_every_token_of_the_volume(fusion, backbone):
    output = made_network(fusion, backbone)(*made_patients(2, shape=VOLUME))
    places = torch.Size(BACKBONES[backbone]).numel()
    if output.attention is not None and output.attention.variables_to_image is not None:
        assert output.attention.variables_to_image.shape[-1] == places
    if output.attention is not None and output.attention.image_to_variables is not None:
        assert output.attention.image_to_variables.shape[-2] == places


@pytest.mark.parametrize("backbone", BACKBONES)
def test_saved_and_loaded_it_says_the_same(backbone):
    network, patients = made_network("xattn", backbone), made_patients(2, shape=VOLUME)
    other = made_network("xattn", backbone, seed=7)
    assert not torch.equal(other(*patients).density, network(*patients).density)
    other.load_state_dict(load(save({name: value.contiguous() for name, value in network.state_dict().items()})))
    torch.testing.assert_close(other(*patients).density, network(*patients).density, atol=0, rtol=0)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_missing_volume_is_a_learned_token(backbone):
    network = made_network("xattn", backbone, image_dropout=0.2)
    image, variables = made_patients(3, shape=VOLUME)
    gone = torch.tensor([True, False, True])
    found = network(image, variables, no_image=gone).density
    hidden = torch.where(gone[:, None, None, None], 1 - image, image)
    torch.testing.assert_close(network(hidden, variables, no_image=gone).density, found, atol=0, rtol=0)
    assert not torch.equal(found[0], network(image, variables).density[0])
