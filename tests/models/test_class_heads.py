"""The heads of classes: probabilities, the ordinal model's closed form, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from xattn_bmd.config import HEAD_LOSSES, ModelConfig, TrainingConfig
from xattn_bmd.config_losses import CLASS_HEAD_NAMES
from xattn_bmd.errors import ModelError
from xattn_bmd.losses.build import build_loss
from xattn_bmd.models.averaging import mean_estimate
from xattn_bmd.models.heads import CLASS_HEADS, HEADS, Estimate, build_head
from xattn_bmd.models.heads.classes import LEAST_GAP, OrdinalHead

SHARES = (0.55, 0.3, 0.15)
every_class_head = pytest.mark.parametrize("kind", CLASS_HEADS.values(), ids=CLASS_HEADS)


def test_heads_by_name_are_those_of_the_settings():
    assert tuple(CLASS_HEADS) == CLASS_HEAD_NAMES
    assert {**HEADS, **CLASS_HEADS}.keys() == HEAD_LOSSES.keys()


@every_class_head
def test_probabilities_add_up_and_begin_near_the_shares_of_training(kind):
    torch.manual_seed(0)
    said = kind(width=16, dropout=0.0, shares=SHARES)(torch.rand(50, 16))
    chances = said.log_probabilities.exp()
    torch.testing.assert_close(chances.sum(dim=1), torch.ones(50))
    assert (chances.mean(dim=0) - torch.tensor(SHARES)).abs().max() < 0.05
    assert said.density.isnan().all() and said.sd is None and said.quantiles is None


@given(st.lists(st.floats(-40, 40), min_size=1, max_size=5), st.integers(2, 6), st.integers(0, 100))
def test_the_ordinal_head_is_the_cumulative_logit_model(scores, classes, seed):
    shares = np.random.default_rng(seed).dirichlet(np.ones(classes)) + 0.02
    head = OrdinalHead(width=4, dropout=0.0, shares=tuple(shares / shares.sum())).double()
    thresholds = head.thresholds().detach().numpy()
    above = np.concatenate(
        [np.ones((len(scores), 1)), expit(np.array(scores)[:, None] - thresholds), np.zeros((len(scores), 1))], axis=1
    )
    found = head.read(torch.tensor(scores, dtype=torch.float64)[:, None]).log_probabilities
    np.testing.assert_allclose(found.detach().exp().numpy(), -np.diff(above, axis=1), atol=1e-7)
    assert found.isfinite().all()


def test_thresholds_begin_at_the_shares_and_cannot_change_their_order():
    head = OrdinalHead(width=4, dropout=0.0, shares=SHARES)
    np.testing.assert_allclose(expit(head.thresholds().detach().numpy()), np.cumsum(SHARES)[:-1], atol=1e-5)
    head.gaps.data.fill_(-1e3)
    assert head.thresholds().diff().item() == pytest.approx(LEAST_GAP, rel=1e-3)
    assert head.read(torch.zeros(1, 1)).log_probabilities.isfinite().all()


@every_class_head
def test_training_finds_ordered_classes(kind):
    torch.manual_seed(1)
    vectors = torch.randn(300, 32)
    target = torch.bucketize(vectors[:, 0].contiguous(), torch.tensor([-0.5, 0.8])).float()
    head = kind(width=32, dropout=0.0, shares=SHARES)
    loss = build_loss(TrainingConfig(loss=HEAD_LOSSES[head.name][0]))
    optimiser = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(120):
        optimiser.zero_grad()
        loss(head(vectors), target, torch.ones(300)).backward()
        optimiser.step()
    assert (head(vectors).log_probabilities.argmax(dim=1) == target).float().mean() > 0.9


def test_the_mean_of_two_estimates_is_that_of_their_probabilities():
    one, other = torch.tensor([[0.7, 0.3]]), torch.tensor([[0.1, 0.9]])
    nan = torch.full((1,), torch.nan)
    mean = mean_estimate(*(Estimate(nan, log_probabilities=part.log()) for part in (one, other)))
    torch.testing.assert_close(mean.log_probabilities.exp(), (one + other) / 2)


@pytest.mark.parametrize("shares", [(), (1.0,), (0.5, 0.5, 0.0)])
@pytest.mark.parametrize("head", CLASS_HEADS)
def test_a_class_never_met_in_training_is_refused(head, shares):
    with pytest.raises(ModelError, match="each met in the training folds"):
        build_head(ModelConfig(head=head), target_mean=0.0, target_sd=1.0, class_shares=shares)
