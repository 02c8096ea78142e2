"""Every fusion with a head of classes: probabilities, the same alone and in a batch, gradient, saved and exported."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.contracts.made_up import SCHEMA, assert_exported_says_the_same, exported, made_patients, rows, small_config
from xattn_bmd.config import HEAD_LOSSES, TrainingConfig
from xattn_bmd.losses.build import build_loss
from xattn_bmd.models.fusions import FUSIONS
from xattn_bmd.models.heads import CLASS_HEADS
from xattn_bmd.models.network import build_network

SHARES = (0.5, 0.3, 0.2)


def made(fusion, head, *, seed=0, shares=SHARES):
    torch.manual_seed(seed)
    config = small_config(head=head, dropout=0.0)
    return build_network(fusion=fusion, schema=SCHEMA, config=config, class_shares=shares).eval()


@pytest.mark.parametrize("head", CLASS_HEADS)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_gives_probabilities_of_each_patient_alone_and_learns(fusion, head, tmp_path):
    network, (image, variables) = made(fusion, head), made_patients(4)
    output = network(image, variables)
    chances = output.log_probabilities.exp()
    assert chances.shape == (4, 3) and output.density.isnan().all()
    torch.testing.assert_close(chances.sum(dim=1), torch.ones(4))
    alone = network(image[1:2], rows(variables, slice(1, 2))).log_probabilities
    torch.testing.assert_close(alone, output.log_probabilities[1:2], atol=1e-5, rtol=0)
    loss = build_loss(TrainingConfig(loss=HEAD_LOSSES[head][0]))
    loss(network(image, variables), torch.tensor([0.0, 1.0, 2.0, 0.0]), torch.ones(4)).backward()
    assert [name for name, value in network.named_parameters() if value.grad is None] == []
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, tmp_path / "n.safetensors")
    other = made(fusion, head, seed=9, shares=(1 / 3,) * 3)  # nothing of the shares but the weights is kept
    other.load_state_dict(load_file(tmp_path / "n.safetensors"))
    torch.testing.assert_close(other(image, variables).log_probabilities, output.log_probabilities, atol=0, rtol=0)


@pytest.mark.parametrize("head", CLASS_HEADS)
def test_an_exported_network_says_the_same(head):
    network = made("late", head)
    assert_exported_says_the_same(network, exported(network, after_trunk=True), after_trunk=True)


@pytest.mark.parametrize("head", CLASS_HEADS)
def test_single_precision_under_autocast(head):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert made("metadata_only", head)(*made_patients()).log_probabilities.dtype == torch.float32
