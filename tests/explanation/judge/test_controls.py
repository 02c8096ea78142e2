"""Controls know nothing of the labels, keep what they say they keep, and are the same for the same seed."""

import numpy as np
import pytest
import torch

from xattn_bmd.config import ModelConfig
from xattn_bmd.data.variables import VariableEncoder
from xattn_bmd.errors import ModelError
from xattn_bmd.explanation.heat.example import example
from xattn_bmd.explanation.heat.grad_cam import grad_cam
from xattn_bmd.explanation.judge.controls import fused_vectors, head_of_random_labels, random_network, with_head
from xattn_bmd.models.network import build_network
from xattn_bmd.training.fits.estimator import Estimator


def _estimator(cohort, freeze):
    encoder = VariableEncoder.fit(cohort.table, cohort.schema)
    config = ModelConfig(backbone="test_resnet", width=16, layers=2, heads=2, freeze=freeze)
    torch.manual_seed(0)
    network = build_network(
        fusion="xattn", schema=encoder.schema, config=config, target_mean=0.9, target_sd=0.1, weights_follow=True
    )
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    return Estimator("xattn", encoder, config, tensors, {})


def test_random_weights_are_new_and_repeatable_and_random_fit_keeps_the_frozen_trunk(cohort):
    estimator = _estimator(cohort, "trunk")
    trained = estimator.build().state_dict()
    new, again, other = (random_network(estimator, seed=seed).state_dict() for seed in (1, 1, 2))
    kept = random_network(estimator, seed=1, keep_frozen=True).state_dict()
    trunk, head = "image_encoder.trunk.conv1.0.weight", "head.mlp.1.weight"
    trunk = trunk if trunk in trained else next(name for name in trained if name.startswith("image_encoder.trunk"))
    assert torch.equal(new[head], again[head]) and not torch.equal(new[head], other[head])
    assert not torch.equal(new[trunk], trained[trunk]) and torch.equal(kept[trunk], trained[trunk])
    assert not torch.equal(kept[head], trained[head]) and float(new["head.target_mean"]) == pytest.approx(0.9)


def test_a_kept_trunk_needs_a_frozen_one(cohort):
    with pytest.raises(ModelError, match=r"random_fit keeps the frozen trunk, but this model has none"):
        random_network(_estimator(cohort, "none"), seed=0, keep_frozen=True)


def test_a_head_of_dealt_out_labels_learns_the_deal_and_nothing_of_the_truth():
    network, _ = example()
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(60, 16, generator=generator)
    truth = 0.88 + 0.1 * vectors[:, 0].double().numpy()
    head = head_of_random_labels(network.head, [vectors], truth, dropout=0.0, seed=5)
    dealt = truth[np.random.default_rng(5).permutation(60)]
    said = head(vectors).density.detach().numpy()
    assert np.corrcoef(said, dealt)[0, 1] > 0.9 > 0.5 > abs(np.corrcoef(said, truth)[0, 1])
    again = head_of_random_labels(network.head, [vectors], truth, dropout=0.0, seed=5)
    assert torch.equal(again(vectors).density, head(vectors).density)


@pytest.mark.parametrize(("fusion", "count"), [("xattn", 1), ("late", 2)])
def test_another_head_changes_the_heat_and_shares_all_else(fusion, count):
    network, seen = example(fusion)
    vectors = fused_vectors(network, seen)
    assert len(vectors) == count and vectors[0].shape == (2, 16)
    head = head_of_random_labels(network.head, vectors, np.array([0.7, 0.9]), dropout=0.0, seed=0)
    changed = with_head(network, head)
    assert changed.image_encoder is network.image_encoder and network.head is not head
    assert not torch.allclose(grad_cam(changed, seen), grad_cam(network, seen))
