"""What stands for a missing image: one learned token, read in the image's place, of each patient alone."""

import pytest
import torch

from tests.contracts.made_up import made_network, made_patients, rows
from xattn_bmd.errors import ModelError
from xattn_bmd.models.fusions import FUSIONS

BOTH = [name for name, kind in FUSIONS.items() if kind.uses_image and kind.uses_variables]
every_fusion = pytest.mark.parametrize("fusion", BOTH)
SOME = torch.tensor([True, False, True, False, False])


@every_fusion
def test_a_missing_image_is_never_read_and_a_patient_is_predicted_the_same_in_any_batch(fusion):
    network, (image, variables) = made_network(fusion, image_dropout=0.2), made_patients()
    with torch.no_grad():
        found = network(image, variables, None, SOME).density
        other = network(torch.where(SOME[:, None, None, None], 1 - image, image), variables, None, SOME).density
        alone = [network(image[[b]], rows(variables, [b]), None, SOME[[b]]).density for b in range(5)]
        whole = network(image, variables).density
    torch.testing.assert_close(other, found, atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.cat(alone), found, atol=1e-6, rtol=0)
    torch.testing.assert_close(found[~SOME], whole[~SOME], atol=1e-6, rtol=0)
    assert (found[SOME] - whole[SOME]).abs().min() > 1e-6


@every_fusion
def test_its_token_learns_where_an_image_is_missing_and_only_there(fusion):
    network, (image, variables) = made_network(fusion, image_dropout=0.2, dropout=0.0), made_patients()
    image.requires_grad_()
    network(image, variables, None, SOME).density.square().sum().backward()
    assert bool((network.stand_in.grad != 0).any())
    reached = (image.grad != 0).flatten(1).any(dim=1)
    assert torch.equal(reached, ~SOME)


def test_all_other_weights_are_those_of_the_same_network_without_it():
    plain, able = made_network("xattn").state_dict(), made_network("xattn", image_dropout=0.2).state_dict()
    assert set(able) - set(plain) == {"stand_in"} and able["stand_in"].shape == (16,)
    assert all(torch.equal(able[name], value) for name, value in plain.items())


@pytest.mark.parametrize("fusion", ["image_only", "metadata_only"])
def test_a_network_of_one_input_has_none(fusion):
    assert "stand_in" not in made_network(fusion, image_dropout=0.2).state_dict()


def test_a_network_that_was_not_built_for_it_says_so():
    with pytest.raises(ModelError, match=r"model\.image_dropout above 0"):
        made_network("concat")(*made_patients(), None, SOME)


def test_it_stands_for_a_stored_map_too():
    network, (image, variables) = made_network("concat", image_dropout=0.2), made_patients()
    with torch.no_grad():
        maps = network.image_encoder.features(image)
        expected = network(image, variables, None, SOME).density
        torch.testing.assert_close(network(None, variables, maps, SOME).density, expected, atol=1e-6, rtol=0)
