"""One contract over every fusion, a family of encoders, and every head.

Fusion, encoder and head meet in tokens and vectors of one shape.  What costs little is tested for every three of them,
on one network whose heads are changed.  Export, which costs seconds, is tested for every fusion over the maps of a
trunk, for every trunk, for a whole network of two directions and (in the other contract) for every head.
"""

import pytest
import torch
from safetensors.torch import load, save

from tests.contracts.made_up import (
    assert_exported_says_the_same,
    exported,
    given_parts,
    made_head,
    made_network,
    made_patients,
    rows,
)
from xattn_bmd.models.fusion import Fused, Fusion
from xattn_bmd.models.fusions import FUSIONS
from xattn_bmd.models.heads import HEADS
from xattn_bmd.types import Variables

BACKBONES = ("test_resnet", "test_efficientnet", "test_convnext", "test_byobnet", "test_vit")
READS = {
    "xattn": ("image_to_variables", "variables_to_image"),
    "residual_xattn": ("image_to_variables", "variables_to_image"),
    "image_to_record": ("image_to_variables",),
    "record_to_image": ("variables_to_image",),
}
PAIRS = [
    (fusion, backbone)
    for fusion, kind in FUSIONS.items()
    for backbone in (BACKBONES if kind.uses_image else BACKBONES[:1])
]
EXPORTED_WHOLE = ("image_only", "xattn")
"""Fusions exported with their trunk: the one with every backbone, the other to a file."""

every_network = pytest.mark.parametrize(("fusion", "backbone"), PAIRS)
every_fusion = pytest.mark.parametrize("fusion", FUSIONS)


def assert_batch_independent(network):
    image, variables = made_patients(3)
    with torch.no_grad():
        together = given_parts(network(image, variables))
        alone = [given_parts(network(image[[b]], rows(variables, [b]))) for b in range(3)]
        pair = given_parts(network(image[[2, 0]], rows(variables, [2, 0])))
    for name, part in together.items():
        torch.testing.assert_close(torch.cat([one[name] for one in alone]), part, atol=1e-6, rtol=0)
        torch.testing.assert_close(pair[name], part[[2, 0]], atol=1e-6, rtol=0)


@every_network
def test_one_finite_estimate_per_patient_alone_and_in_any_batch(fusion, backbone):
    network = made_network(fusion, backbone)
    for head in HEADS:
        network.head = made_head(head)
        with torch.no_grad():
            output = network(*made_patients(3))
        parts = given_parts(output)
        assert set(parts) == {"density", *{"point": (), "gaussian": ("sd",), "quantile": ("quantiles",)}[head]}
        assert all(
            part.shape[0] == 3 and part.dtype == torch.float32 and part.isfinite().all() for part in parts.values()
        )
        assert ((output.density > 0.3) & (output.density < 1.5)).all()
        assert (output.attention is not None) == (fusion in READS)
        assert_batch_independent(network)


@every_network
def test_gradient_reaches_every_input_that_is_used_and_every_parameter(fusion, backbone):
    network, kind = made_network(fusion, backbone, dropout=0.0).train(), FUSIONS[fusion]
    image, variables = made_patients(4)
    image.requires_grad_()
    numeric = variables.numeric.clone().requires_grad_()
    for head in HEADS:
        network.head, image.grad, numeric.grad = made_head(head), None, None
        network.zero_grad()
        parts = given_parts(network(image, Variables(numeric, variables.codes, variables.missing)))
        sum(part.square().sum() for part in parts.values()).backward()
        reached = [part.grad is not None and bool((part.grad != 0).any()) for part in (image, numeric)]
        assert reached == [kind.uses_image, kind.uses_variables], head
        assert [name for name, value in network.named_parameters() if value.grad is None] == [], head


@every_fusion
def test_each_input_that_is_used_moves_the_prediction_and_no_other(fusion):
    network, (image, variables), (image_2, variables_2) = made_network(fusion), made_patients(), made_patients(seed=9)
    first = network(image, variables).density
    assert (not torch.equal(network(image_2, variables).density, first)) == FUSIONS[fusion].uses_image
    assert (not torch.equal(network(image, variables_2).density, first)) == FUSIONS[fusion].uses_variables


@every_fusion
def test_record_with_nothing_in_it_is_predicted_and_hidden_values_do_not_matter(fusion):
    network, (image, variables) = made_network(fusion), made_patients()
    nothing = torch.ones_like(variables.missing)
    empty = network(image, Variables(variables.numeric, variables.codes, nothing)).density
    zero = Variables(torch.zeros_like(variables.numeric), torch.zeros_like(variables.codes), nothing)
    assert empty.isfinite().all()
    torch.testing.assert_close(network(image, zero).density, empty, atol=0, rtol=0)


@every_fusion
def test_a_variable_that_is_missing_is_told_from_a_known_one_and_its_hidden_value_is_never_read(fusion):
    network, (image, variables) = made_network(fusion, head="gaussian"), made_patients()
    known = torch.zeros_like(variables.missing)
    all_known = network(image, Variables(variables.numeric, variables.codes, known))
    for gone in (0, 4, slice(1, 3)):
        missing = known.clone()
        missing[:, gone] = True
        numeric, codes = variables.numeric.clone().requires_grad_(), (variables.codes + 1) % torch.tensor([2, 3])
        found = network(image, Variables(numeric, variables.codes, missing))
        hidden = missing[:, 3:]
        other = Variables(numeric.where(~missing[:, :3], 99.0), variables.codes.where(~hidden, codes), missing)
        for name, part in given_parts(found).items():
            torch.testing.assert_close(given_parts(network(image, other))[name], part, atol=0, rtol=0)
            assert torch.equal(given_parts(all_known)[name], part) != FUSIONS[fusion].uses_variables
        if FUSIONS[fusion].uses_variables:
            found.density.sum().backward()
            assert torch.equal(numeric.grad != 0, ~missing[:, :3])


@every_network
def test_saved_and_loaded_network_predicts_the_same(fusion, backbone):
    network, other = (made_network(fusion, backbone, seed=seed) for seed in (0, 7))
    network.train()
    patients = made_patients(4)
    network(*patients)  # moves the running statistics of batch normalisation
    network.eval()
    for head in HEADS:
        network.head, other.head = made_head(head), made_head(head, seed=7)
        other.load_state_dict(load(save({name: value.contiguous() for name, value in network.state_dict().items()})))
        with torch.no_grad():
            expected, found = given_parts(network(*patients)), given_parts(other(*patients))
        for name, part in expected.items():
            torch.testing.assert_close(found[name], part, atol=0, rtol=0)


@every_fusion
def test_same_seed_builds_the_same_network(fusion):
    one, same, other = (made_network(fusion, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def share_of_loss_left(network, *, image, variables, maps=None):
    target = 0.88 + 0.1 * variables.numeric[:, 0].tanh() * (~variables.missing[:, 0]) + 0.05 * torch.randn(16)
    trained = [value for name, value in network.named_parameters() if maps is None or ".trunk." not in name]
    optimizer = torch.optim.AdamW(trained, lr=4e-3 if maps is None else 8e-3)
    losses = []
    for _ in range(24 if maps is None else 32):
        loss = (network(image, variables, maps).density - target).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1] / losses[0]


@every_fusion
def test_training_what_follows_the_trunk_lowers_the_loss(fusion):
    network, (image, variables) = made_network(fusion, dropout=0.0).train(), made_patients(16)
    maps = None if network.image_encoder is None else network.image_encoder.features(image).detach()
    assert share_of_loss_left(network, image=None, variables=variables, maps=maps) < 0.3


def test_training_the_whole_network_lowers_the_loss():
    network, (image, variables) = made_network("xattn", dropout=0.0).train(), made_patients(16)
    assert share_of_loss_left(network, image=image, variables=variables) < 0.3


@pytest.mark.parametrize("fusion", [name for name in FUSIONS if name not in EXPORTED_WHOLE])
def test_what_follows_the_trunk_is_exported_and_predicts_the_same_for_any_number_of_patients(fusion):
    network = made_network(fusion)
    assert_exported_says_the_same(network, exported(network, after_trunk=True), after_trunk=True)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_exported_network_predicts_the_same_for_any_number_of_patients(backbone):
    network = made_network(EXPORTED_WHOLE[0], backbone)
    assert_exported_says_the_same(network, exported(network))


@pytest.mark.filterwarnings("ignore:No complete tensor found")
def test_exported_network_is_written_to_a_file_and_read_back(tmp_path):
    network = made_network(EXPORTED_WHOLE[1], head="gaussian")
    torch.export.save(exported(network), tmp_path / "network.pt2")
    assert_exported_says_the_same(network, torch.export.load(tmp_path / "network.pt2"))


@pytest.mark.parametrize("fusion", READS)
def test_attention_shapes_and_sums(fusion):
    image, variables = made_patients()
    attention = made_network(fusion)(image, variables).attention._asdict()
    shapes = {"image_to_variables": (5, 2, 4, 4, 5), "variables_to_image": (5, 2, 4, 5, 4), "layer_weight": (2,)}
    made = {name: part for name, part in attention.items() if part is not None}
    assert {name: tuple(part.shape) for name, part in made.items()} == {
        name: shapes[name] for name in (*READS[fusion], "layer_weight")
    }
    for part in made.values():
        torch.testing.assert_close(part.sum(-1), torch.ones(part.shape[:-1]))


@every_fusion
def test_permuting_variables_permutes_attention_and_nothing_else(fusion):
    image_BPD, variables_BVD, order = torch.rand(3, 9, 16), torch.rand(3, 5, 16), [3, 0, 4, 1, 2]
    part = made_network(fusion).fusion
    straight, permuted = part(image_BPD, variables_BVD), part(image_BPD, variables_BVD[:, order])
    torch.testing.assert_close(permuted.vector, straight.vector, atol=1e-6, rtol=0)
    if "image_to_variables" in READS.get(fusion, ()):
        expected = straight.attention.image_to_variables[..., order]
        torch.testing.assert_close(permuted.attention.image_to_variables, expected)
    if "variables_to_image" in READS.get(fusion, ()):
        expected = straight.attention.variables_to_image[..., order, :]
        torch.testing.assert_close(permuted.attention.variables_to_image, expected)


class AttentionBetweenPatients(Fusion):
    """The trap: unbatched attention over ``(B, D)`` vectors takes the patients for a sequence."""

    def __init__(self, config):
        super().__init__(config)
        self.attend = torch.nn.MultiheadAttention(config.width, config.heads)

    def forward(self, image_BPD, variables_BVD):
        image_BD, variables_BD = image_BPD.mean(1), variables_BVD.mean(1)
        return Fused(self.attend(image_BD, variables_BD, variables_BD)[0], None)


def test_contract_catches_a_fusion_that_mixes_patients(monkeypatch):
    monkeypatch.setitem(FUSIONS, "mixing", AttentionBetweenPatients)
    with pytest.raises(AssertionError, match="not close"):
        assert_batch_independent(made_network("mixing"))
