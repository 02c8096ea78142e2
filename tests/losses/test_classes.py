"""Losses on classes against scikit-learn and by hand, and their weights."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from xattn_bmd.config import TrainingConfig
from xattn_bmd.errors import ConfigError
from xattn_bmd.losses.build import build_loss
from xattn_bmd.losses.classes import class_shares, cross_entropy, cumulative, fit_class_weights
from xattn_bmd.models.heads import Estimate

GENERATOR = np.random.default_rng(4)
CHANCES = GENERATOR.dirichlet([1.0, 1.0, 1.0, 1.0], size=60)
TARGET = GENERATOR.integers(0, 4, size=60)
WEIGHT = GENERATOR.uniform(0.2, 2.0, size=60)


def said():
    return torch.from_numpy(CHANCES).log().requires_grad_(), torch.from_numpy(TARGET).double()


def test_cross_entropy_is_scikit_learns_log_loss():
    found = cross_entropy(*said(), torch.ones(60))
    assert found.item() == pytest.approx(log_loss(TARGET, CHANCES, labels=range(4)))
    weighted = cross_entropy(*said(), torch.from_numpy(WEIGHT))
    expected = log_loss(TARGET, CHANCES, labels=range(4), sample_weight=WEIGHT) * WEIGHT.mean()
    assert weighted.item() == pytest.approx(expected)


def test_cumulative_loss_is_the_mean_binary_log_loss_of_the_thresholds():
    each = [
        log_loss(cut < TARGET, CHANCES[:, cut + 1 :].sum(axis=1), sample_weight=WEIGHT) * WEIGHT.mean()
        for cut in range(3)
    ]
    assert cumulative(*said(), torch.from_numpy(WEIGHT)).item() == pytest.approx(np.mean(each))


def test_two_classes_cost_the_same_by_either_loss():
    two = torch.tensor([[0.2, 0.8], [0.7, 0.3]]).log()
    target, one = torch.tensor([1.0, 1.0]), torch.ones(2)
    assert cumulative(two, target, one).item() == pytest.approx(cross_entropy(two, target, one).item())


def test_a_class_further_away_costs_more_by_the_cumulative_loss_alone():
    near, far = torch.tensor([[0.1, 0.8, 0.1]]).log(), torch.tensor([[0.1, 0.1, 0.8]]).log()
    target, one = torch.zeros(1), torch.ones(1)
    assert cumulative(far, target, one) > cumulative(near, target, one) + 0.5
    assert cross_entropy(far, target, one) == cross_entropy(near, target, one)


@pytest.mark.parametrize("loss", ["cross_entropy", "cumulative"])
def test_both_losses_are_named_finite_at_the_ends_and_refuse_a_density(loss):
    built = build_loss(TrainingConfig(loss=loss))
    log_BK = torch.log_softmax(torch.tensor([[90.0, -90.0, 0.0]]), dim=1).requires_grad_()
    value = built(Estimate(torch.full((1,), torch.nan), log_probabilities=log_BK), torch.ones(1), torch.ones(1))
    value.backward()
    assert value.isfinite() and log_BK.grad.isfinite().all()
    with pytest.raises(ConfigError, match="head="):
        built(Estimate(torch.ones(1)), torch.ones(1), torch.ones(1))


def test_class_weights_are_scikit_learns_and_have_mean_one():
    fitted = fit_class_weights(TARGET.astype(float), classes=4)
    np.testing.assert_allclose(fitted.weight, compute_class_weight("balanced", classes=np.arange(4), y=TARGET))
    each = fitted(torch.from_numpy(TARGET).float())
    assert each.mean().item() == pytest.approx(1.0)
    assert [each[code == TARGET].sum().item() for code in range(4)] == pytest.approx([15.0] * 4)


def test_shares_add_up_and_a_density_has_none():
    assert sum(class_shares(TARGET.astype(float), classes=4)) == pytest.approx(1.0)
    assert class_shares(np.array([0.7, 0.9]), classes=0) == ()
