import math

import pytest
import torch

from xattn_bmd.losses.balance import TaskBalance

LOSSES = (torch.tensor(0.04), torch.tensor(0.8))


def test_fixed_weighs_the_mask_and_learns_nothing():
    balance = TaskBalance("fixed", weights=[0.25])
    assert float(balance(*LOSSES)) == pytest.approx(0.04 + 0.25 * 0.8)
    assert list(balance.parameters()) == []
    assert balance.state_dict() == {}


def test_uncertainty_begins_with_the_gradient_of_the_fixed_weights():
    shared = torch.tensor(1.0, requires_grad=True)
    grads = []
    for scheme in ("fixed", "uncertainty"):
        (grad,) = torch.autograd.grad(TaskBalance(scheme, weights=[0.25])(0.04 * shared, 0.8 * shared**2), shared)
        grads.append(float(grad))
    assert grads[0] == pytest.approx(grads[1], rel=1e-6)


def test_uncertainty_settles_where_each_task_weighs_one_over_its_loss():
    balance = TaskBalance("uncertainty", weights=[0.1])
    optimizer = torch.optim.LBFGS(balance.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        total = balance(*LOSSES)
        total.backward()
        return total

    optimizer.step(closure)
    weights = torch.exp(-balance.log_variance).tolist()
    assert weights == pytest.approx([1 / 0.04, 1 / 0.8], rel=1e-3)
    assert float(balance(*LOSSES)) == pytest.approx(2 + math.log(0.04) + math.log(0.8), rel=1e-4)
