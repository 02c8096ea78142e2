"""Every fusion with a class head beside that of the density: the density is the twin's, both heads learn."""

import pytest
import torch
from safetensors.torch import load, save

from tests.contracts.made_up import SCHEMA, made_patients, rows, small_config
from xattn_bmd.models.fusions import FUSIONS
from xattn_bmd.models.network import build_network

SHARES = (0.5, 0.3, 0.2)
SHAPES = {"test_resnet": (1, 64, 64), "densenet_small_3d": (8, 32, 32)}
KINDS = [
    (fusion, backbone, head)
    for fusion, kind in FUSIONS.items()
    for backbone, head in (("test_resnet", "classes"), ("densenet_small_3d", "ordinal"))
    if kind.uses_image or backbone == "test_resnet"
]


def made(fusion, backbone="test_resnet", *, class_head, seed=0, shares=SHARES, **changes):
    torch.manual_seed(seed)
    config = small_config(backbone, class_head=class_head, dropout=0.0, **changes)
    return build_network(
        fusion=fusion, schema=SCHEMA, config=config, target_mean=0.88, target_sd=0.147, class_shares=shares
    ).eval()


@pytest.mark.parametrize(("fusion", "backbone", "head"), KINDS)
def test_the_density_is_that_of_the_twin_and_the_classes_are_probabilities(fusion, backbone, head):
    network, twin = (made(fusion, backbone, class_head=kind) for kind in (head, "none"))
    image, variables = made_patients(4, shape=SHAPES[backbone])
    output, alone = network(image, variables), network(image[1:2], rows(variables, slice(1, 2)))
    torch.testing.assert_close(output.density, twin(image, variables).density, atol=0, rtol=0)
    assert twin(image, variables).class_log_probabilities is None and output.log_probabilities is None
    chances = output.class_log_probabilities.exp()
    torch.testing.assert_close(chances.sum(dim=1), torch.ones(4))
    assert (chances - torch.tensor(SHARES)).abs().max() < 0.2  # a new head begins near the shares
    torch.testing.assert_close(alone.class_log_probabilities, output.class_log_probabilities[1:2], atol=1e-5, rtol=0)
    (output.density.square().mean() - output.class_log_probabilities[:, 2].mean()).backward()
    assert [name for name, value in network.named_parameters() if value.grad is None] == []
    other = made(fusion, backbone, class_head=head, seed=9, shares=())
    other.load_state_dict(load(save({name: value.contiguous() for name, value in network.state_dict().items()})))
    found = other(image, variables).class_log_probabilities
    torch.testing.assert_close(found, output.class_log_probabilities, atol=0, rtol=0)


def test_a_fusion_that_predicts_twice_has_the_mean_probability():
    network, patients = made("late", class_head="classes"), made_patients(3)
    read = []
    network.class_head.register_forward_hook(lambda _head, _inputs, said: read.append(said.log_probabilities.exp()))
    said = network(*patients).class_log_probabilities.exp()
    assert len(read) == 2 and not torch.allclose(*read)
    torch.testing.assert_close(said, (read[0] + read[1]) / 2)


@pytest.mark.parametrize("head", ["gaussian", "quantile"])
def test_it_goes_with_every_head_of_density(head):
    output = made("concat", class_head="classes", head=head)(*made_patients(3))
    assert output.class_log_probabilities.shape == (3, 3) and output.density.isfinite().all()
