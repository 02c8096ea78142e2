"""One contract over every fusion and a family of encoders."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.contracts.made_up import made_network, made_patients, rows
from xattn_bmd.models.fusion import Fused, Fusion
from xattn_bmd.models.fusions import FUSIONS
from xattn_bmd.types import Variables

BACKBONES = ("test_resnet", "test_efficientnet", "test_convnext", "test_byobnet", "test_vit")
CASES = [
    (fusion, backbone)
    for fusion, kind in FUSIONS.items()
    for backbone in (BACKBONES if kind.uses_image else BACKBONES[:1])
]
WITH_ATTENTION = ("xattn",)
every_network = pytest.mark.parametrize(("fusion", "backbone"), CASES)
every_fusion = pytest.mark.parametrize("fusion", FUSIONS)


def assert_batch_independent(network):
    image, variables = made_patients()
    with torch.no_grad():
        together = network(image, variables).density
        alone = [network(image[[b]], rows(variables, [b])).density for b in range(5)]
        pair = network(image[[4, 1]], rows(variables, [4, 1])).density
    torch.testing.assert_close(torch.cat(alone), together, atol=1e-6, rtol=0)
    torch.testing.assert_close(pair, together[[4, 1]], atol=1e-6, rtol=0)


@every_network
def test_one_finite_density_per_patient(fusion, backbone):
    image, variables = made_patients()
    output = made_network(fusion, backbone)(image, variables)
    assert output.density.shape == (5,)
    assert output.density.dtype == torch.float32
    assert ((output.density > 0.3) & (output.density < 1.5)).all()
    assert (output.attention is not None) == (fusion in WITH_ATTENTION)


@every_network
def test_prediction_is_the_same_alone_and_in_any_batch(fusion, backbone):
    assert_batch_independent(made_network(fusion, backbone))


@every_network
def test_gradient_reaches_every_input_that_is_used_and_every_parameter(fusion, backbone):
    network = made_network(fusion, backbone, dropout=0.0).train()
    image, variables = made_patients(8)
    image.requires_grad_()
    numeric = variables.numeric.clone().requires_grad_()
    network(image, Variables(numeric, variables.codes, variables.missing)).density.pow(2).sum().backward()
    kind = FUSIONS[fusion]
    assert (image.grad is not None and bool((image.grad != 0).any())) == kind.uses_image
    assert (numeric.grad is not None and bool((numeric.grad != 0).any())) == kind.uses_variables
    assert [name for name, value in network.named_parameters() if value.grad is None] == []


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


@every_network
def test_saved_and_loaded_network_predicts_the_same(fusion, backbone, tmp_path):
    network, patients = made_network(fusion, backbone).train(), made_patients(8)
    network(*patients)  # moves the running statistics of batch normalisation
    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()}, tmp_path / "network.safetensors"
    )
    other = made_network(fusion, backbone, seed=7)
    other.load_state_dict(load_file(tmp_path / "network.safetensors"))
    torch.testing.assert_close(other(*patients).density, network.eval()(*patients).density, atol=0, rtol=0)


@every_fusion
def test_same_seed_builds_the_same_network(fusion):
    one, same, other = (made_network(fusion, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@every_fusion
def test_training_steps_lower_the_loss(fusion):
    network, (image, variables) = made_network(fusion, dropout=0.0).train(), made_patients(16)
    target = 0.88 + 0.1 * variables.numeric[:, 0].tanh() * (~variables.missing[:, 0]) + 0.05 * torch.randn(16)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    losses = []
    for _ in range(40):
        loss = (network(image, variables).density - target).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


@every_fusion
def test_exported_network_predicts_the_same(fusion):
    network, (image, variables) = made_network(fusion), made_patients()
    exported = torch.export.export(network, (image, variables)).module()
    torch.testing.assert_close(exported(image, variables).density, network(image, variables).density, atol=1e-6, rtol=0)


@pytest.mark.parametrize("fusion", WITH_ATTENTION)
def test_attention_shapes_and_sums(fusion):
    image, variables = made_patients()
    attention = made_network(fusion)(image, variables).attention
    assert attention.image_to_variables.shape == (5, 2, 4, 4, 5)
    assert attention.variables_to_image.shape == (5, 2, 4, 5, 4)
    for rows_of_attention in (attention.image_to_variables, attention.variables_to_image, attention.layer_weight):
        torch.testing.assert_close(rows_of_attention.sum(-1), torch.ones(rows_of_attention.shape[:-1]))


@every_fusion
def test_permuting_variables_permutes_attention_columns_and_nothing_else(fusion):
    image_BPD, variables_BVD, order = torch.rand(3, 9, 16), torch.rand(3, 5, 16), [3, 0, 4, 1, 2]
    part = made_network(fusion).fusion
    straight, permuted = part(image_BPD, variables_BVD), part(image_BPD, variables_BVD[:, order])
    torch.testing.assert_close(permuted.vector, straight.vector, atol=1e-6, rtol=0)
    if fusion in WITH_ATTENTION:
        one, other = straight.attention, permuted.attention
        torch.testing.assert_close(other.image_to_variables, one.image_to_variables[..., order])
        torch.testing.assert_close(other.variables_to_image, one.variables_to_image[..., order, :])


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
