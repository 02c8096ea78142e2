"""One contract over every head: gradient everywhere, saved and loaded, exported, ordered, positive, and it learns.

That an estimate is the same alone and in any batch is tested with every fusion and encoder, in the other contract.
"""

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.contracts.made_up import assert_exported_says_the_same, exported, given_parts, made_network, made_patients
from xattn_bmd.config import HEAD_LOSSES, TrainingConfig
from xattn_bmd.losses.build import build_loss
from xattn_bmd.models.heads import HEADS

every_head = pytest.mark.parametrize("head", HEADS)


@every_head
def test_each_head_gives_a_density_and_its_own_part(head):
    output = made_network("xattn", head=head)(*made_patients())
    own = {"point": set(), "gaussian": {"sd"}, "quantile": {"quantiles"}}[head]
    parts = given_parts(output)
    assert set(parts) == {"density", *own}
    assert all(part.dtype == torch.float32 and part.isfinite().all() for part in parts.values())
    assert output.density.shape == (5,)
    assert ((output.density > 0.3) & (output.density < 1.5)).all()


@pytest.mark.parametrize("fusion", ["xattn", "late"])
@every_head
def test_its_loss_reaches_every_parameter_of_the_network(head, fusion):
    network = made_network(fusion, head=head, dropout=0.0).train()
    loss = build_loss(TrainingConfig(loss=HEAD_LOSSES[head][0]))
    loss(network(*made_patients(8)), torch.full((8,), 0.7), torch.ones(8)).backward()
    assert [name for name, value in network.named_parameters() if value.grad is None] == []
    assert bool((network.head.mlp[-1].weight.grad != 0).any(dim=1).all())


@every_head
def test_saved_and_loaded_head_says_the_same(head, tmp_path):
    network, patients = made_network("concat", head=head), made_patients()
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, tmp_path / "n.safetensors")
    other = made_network("concat", head=head, seed=7)
    other.load_state_dict(load_file(tmp_path / "n.safetensors"))
    expected, found = given_parts(network(*patients)), given_parts(other(*patients))
    for name, part in expected.items():
        torch.testing.assert_close(found[name], part, atol=0, rtol=0)


@every_head
def test_exported_head_says_the_same_where_it_is_asked_twice(head):
    network = made_network("late", head=head)
    assert_exported_says_the_same(network, exported(network, after_trunk=True), after_trunk=True)


@every_head
def test_single_precision_under_autocast(head):
    network, patients = made_network("metadata_only", head=head), made_patients()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        parts = given_parts(network(*patients))
    assert all(part.dtype == torch.float32 for part in parts.values())


@every_head
def test_its_loss_falls_in_training_and_learns_the_spread(head):
    torch.manual_seed(3)
    network, (image, variables) = made_network("metadata_only", head=head, dropout=0.0).train(), made_patients(256)
    wide = (variables.codes[:, 0] == 1) & ~variables.missing[:, 3]
    target = 0.88 + torch.where(wide, 0.2, 0.02) * torch.randn(256)
    loss, optimizer = (
        build_loss(TrainingConfig(loss=HEAD_LOSSES[head][0])),
        torch.optim.AdamW(network.parameters(), lr=3e-3),
    )
    losses = []
    for _ in range(60):
        output = network(image, variables)
        losses.append(loss(output, target, torch.ones(256)))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]
    spread = {"gaussian": lambda o: o.sd, "quantile": lambda o: o.quantiles[:, 2] - o.quantiles[:, 0]}.get(head)
    if spread is not None:
        found = spread(output)
        known = ~variables.missing[:, 3]
        assert found[wide].median() > 2 * found[~wide & known].median()
